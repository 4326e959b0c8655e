import { urlsOf } from './hosts.js';

describe('urlsOf', () => {
  it.each([
    ['postgres://u@one/db', ['postgres://u@one/db']],
    [
      'postgres://u:p%2C@one:1,two:2/db?a=b',
      ['postgres://u:p%2C@one:1/db?a=b', 'postgres://u:p%2C@two:2/db?a=b'],
    ],
    ['postgresql://one,two,three', ['postgresql://one', 'postgresql://two', 'postgresql://three']],
    ['postgres://u@[::1]:1,[::2]:2/db', ['postgres://u@[::1]:1/db', 'postgres://u@[::2]:2/db']],
    ['postgres://u:a,b@one/db', ['postgres://u:a,b@one/db']],
    ['postgres://u@x/db?host=%2Fa', ['postgres://u@x/db?host=%2Fa']],
    [
      'postgres://u@/db?host=one,%2Fa&x=1',
      ['postgres://u@/db?host=one&x=1', 'postgres://u@/db?host=%2Fa&x=1'],
    ],
    ['postgres:///db?host=a,b&port=1,2', ['postgres:///db?host=a&port=1', 'postgres:///db?host=b&port=2']],
    ['postgres:///db?host=a,b&port=1', ['postgres:///db?host=a&port=1', 'postgres:///db?host=b&port=1']],
  ])('reads %s', (url, urls) => expect(urlsOf(url)).toEqual(urls));

  it.each([
    ['postgres://one,/db', 'A host has no name'],
    ['postgres://:5432,two/db', 'A host has no name'],
    ['postgres:///db?host=a,&port=1', 'A host has no name'],
    ['postgres:///db?host=a,b,c&port=1,2', 'There are 3 hosts and 2 ports'],
    ['postgres:///db?host=a%zz,b', 'host=a%zz,b is not encoded as in URLs'],
    ['postgres://a/db?port=1,2', 'There are 0 hosts and 2 ports'],
  ])('refuses %s', (url, words) => expect(() => urlsOf(url)).toThrow(words));
});
