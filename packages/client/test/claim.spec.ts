import { Claim } from '../src/claim.js';

describe('Claim', () => {
  it('numbers the uploads of one file, and gives a number that is free again to the next', () => {
    const [first, second] = [new Claim('a'), new Claim('a')];
    expect([first.name, first.isFirst, second.name, second.isFirst]).toEqual(['a', true, 'a\n2', false]);
    first.release();
    const third = new Claim('a');
    expect([third.name, third.isFirst]).toEqual(['a', true]);
    [second, third].forEach((claim) => claim.release());
  });

  it('that is released twice does not take the name from the one that has it now', () => {
    const first = new Claim('a');
    first.release();
    const second = new Claim('a');
    first.release();
    const third = new Claim('a');
    expect([second.name, third.name]).toEqual(['a', 'a\n2']);
    [second, third].forEach((claim) => claim.release());
  });
});
