import type { IncomingMessage, ServerResponse } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';

const TAGS = {
  Uploads: 'Upload a file in chunks, or a small one in one request',
  Media: 'Finished files: list, search, rename, delete',
  Files: 'Their bytes, and thumbnails of images',
  Health: 'For load balancers',
  'Trying out': 'On demo servers only',
};

/**
 * The OpenAPI 3.1 document of the app. `openapi.json` in the repository is that of a demo server.
 * @param publicUrl where clients reach the server, if that is known
 */
export function openApiDocument(app: INestApplication, publicUrl?: string): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Mediadock')
    .setDescription(
      'Resumable uploads of images and documents, in chunks. A 2xx means that the bytes are on disk.',
    )
    .setVersion('2')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .addSecurityRequirements('bearer');
  builder.addServer(publicUrl ?? '/', publicUrl === undefined ? 'This server' : undefined);
  for (const [tag, description] of Object.entries(TAGS)) builder.addTag(tag, description);
  const document = SwaggerModule.createDocument(app, builder.build());
  // RFC 9457, 3.2: codes may add members, and clients ignore unknown ones.
  Object.assign(document.components?.schemas?.['ProblemDto'] ?? {}, { additionalProperties: true });
  return document;
}

export function serveSwagger(app: INestApplication, publicUrl: string | undefined): void {
  // Large and rarely changed: browsers cache them, and revalidate.
  app.use('/api/docs', (_request: IncomingMessage, response: ServerResponse, next: () => void) => {
    response.setHeader('Cache-Control', 'no-cache');
    next();
  });
  SwaggerModule.setup('api/docs', app, () => openApiDocument(app, publicUrl), {
    jsonDocumentUrl: 'api/openapi.json',
    yamlDocumentUrl: 'api/openapi.yaml',
    customSiteTitle: 'Mediadock API',
    swaggerOptions: { persistAuthorization: true, tryItOutEnabled: true },
  });
}
