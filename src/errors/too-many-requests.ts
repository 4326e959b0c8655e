import { AppError } from './app-error.js';

export class TooManyRequests extends AppError {
  constructor() {
    super('too-many-requests', 429, 'Wait for the answers to your other requests', {
      action: 'wait',
      headers: { 'Retry-After': '1' },
    });
  }
}
