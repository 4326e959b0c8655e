type Listeners<Events> = { [Name in keyof Events]?: Set<(event: Events[Name]) => void> };

export class Emitter<Events> {
  private readonly listeners: Listeners<Events> = {};

  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): void {
    (this.listeners[name] ??= new Set()).add(listener);
  }

  off<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): void {
    this.listeners[name]?.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.listeners[name] ?? []) {
      try {
        listener(event);
      } catch (error) {
        // An exception in a listener must not end the upload. It is reported like any uncaught error.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
