import fc from 'fast-check';
import { parseContentRange } from './content-range.js';

describe('parseContentRange', () => {
  it('reads what it is made of', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: Number.MAX_SAFE_INTEGER - 1 }), { minLength: 3, maxLength: 3 }),
        (numbers) => {
          const [start, end, last] = numbers.sort((a, b) => a - b) as [number, number, number];
          expect(parseContentRange(`bytes ${start}-${end}/${last + 1}`)).toEqual({
            start,
            end,
            total: last + 1,
          });
        },
      ),
    );
  });

  it('reads a question', () => {
    expect(parseContentRange('bytes */10')).toEqual({ total: 10 });
  });

  it('throws its own error for any other text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^bytes [-+0-9*.e x/]{0,20}$/)), (value) => {
        try {
          const range = parseContentRange(value);
          expect(
            'end' in range ? `bytes ${range.start}-${range.end}/${range.total}` : `bytes */${range.total}`,
          ).toBe(value);
        } catch (error) {
          expect(error).toMatchObject({ code: 'malformed-content-range' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});
