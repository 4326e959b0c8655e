/** node-postgres returns bigint as text. Every size here is below 2^53. */
export const bigintColumn = {
  type: 'bigint',
  transformer: { to: (value: number) => value, from: (value: string) => Number(value) },
} as const;
