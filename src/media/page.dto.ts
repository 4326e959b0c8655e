import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';

/** Selects a part of a list. */
export class PageQueryDto {
  @IsOptional()
  @ApiPropertyOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 20;

  @IsOptional()
  @ApiPropertyOptional()
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(1_000_000_000)
  offset: number = 0;
}

/** What every page has besides its results. */
export class PageDto {
  /** Number of results on all pages. */
  count!: number;
  /** URL of the next page; null on the last one. */
  next!: string | null;
  previous!: string | null;
}

/**
 * Makes a page of `shown` results. The URLs of its neighbors have the same filters.
 * @param path absolute URL of the list, without query
 */
export function toPageDto(
  path: string,
  { limit, offset, ...filters }: PageQueryDto,
  { count, shown }: { count: number; shown: number },
): PageDto {
  const given = Object.entries(filters).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const page = (at: number) =>
    `${path}?${new URLSearchParams([['limit', String(limit)], ['offset', String(at)], ...given])}`;
  return {
    count,
    next: offset + shown < count ? page(offset + limit) : null,
    previous: offset > 0 ? page(Math.max(0, offset - limit)) : null,
  };
}
