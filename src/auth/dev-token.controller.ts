import { Controller, Post } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Fields } from '../body/fields.pipe.js';
import { Config } from '../config/config.js';
import { ApiProblems } from '../errors/api-problems.js';
import { InvalidRequest } from '../errors/app-error.js';
import { DevTokenDto, DevTokenRequestDto, USER_ID_RULE } from './auth.dto.js';
import { Public } from './bearer.guard.js';
import { signToken } from './token.js';

@ApiTags('Trying out')
@Controller('api/v2/dev/token')
export class DevTokenController {
  constructor(private readonly config: Config) {}

  @Post()
  @Public()
  @ApiOperation({
    operationId: 'createDevToken',
    summary: 'Get a demo token',
    description: 'A bearer token for trying the API. This route exists on demo servers only.',
  })
  @ApiBody({ type: DevTokenRequestDto, required: false })
  @ApiCreatedResponse({ type: DevTokenDto })
  @ApiProblems(new InvalidRequest('user_id', USER_ID_RULE))
  async create(@Fields() { user_id }: DevTokenRequestDto): Promise<DevTokenDto> {
    return { token: await signToken(this.config.tokens, user_id), user_id };
  }
}
