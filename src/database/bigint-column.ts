/** node-postgres returns bigint as text. Every size here is below 2^53. */
export const bigintColumn = {
  type: 'bigint',
  transformer: {
    to: (value: number | null) => value,
    from: (value: string | null) => (value === null ? null : Number(value)),
  },
} as const;
