import { Speed } from '../src/speed.js';

describe('Speed', () => {
  it('is not known at first', () => {
    expect(new Speed(1000).measure(0, 5)).toEqual({
      bytes: 0,
      total: 1000,
      bytesPerSecond: 0,
      secondsLeft: null,
    });
  });

  it('is that of the last seconds', () => {
    const speed = new Speed(10_000);
    speed.measure(0, 0);
    speed.measure(9_000, 1_000);
    speed.measure(9_100, 8_000);
    expect(speed.measure(9_200, 9_000)).toMatchObject({ bytesPerSecond: 100, secondsLeft: 8 });
  });

  it('is known of chunks that take longer than that', () => {
    const speed = new Speed(1_000);
    const measured = [0, 6, 12, 18].map((second) => speed.measure(second * 10, second * 1000));
    expect(measured.map(({ bytesPerSecond }) => bytesPerSecond)).toEqual([0, 10, 10, 10]);
    expect(measured.at(-1)!.secondsLeft).toBe(82);
  });

  it('counts neither a pause nor bytes that are gone', () => {
    const speed = new Speed(1000);
    speed.measure(0, 0);
    speed.measure(500, 100);
    speed.reset();
    expect(speed.measure(500, 60_000)).toMatchObject({ bytesPerSecond: 0 });
    expect(speed.measure(100, 61_000)).toMatchObject({ bytes: 100, bytesPerSecond: 0 });
    expect(speed.measure(300, 62_000)).toMatchObject({ bytesPerSecond: 200, secondsLeft: 3.5 });
  });
});
