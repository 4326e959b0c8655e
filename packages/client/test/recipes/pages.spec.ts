import { recipe } from '../setup/recipe.js';

it.each([
  ['fetch', 'js'],
  ['blueimp', 'js'],
  ['chunked-uploady', 'js'],
  ['uppy', 'js'],
  ['react', 'ts'],
] as const)('the page of %s shows its code as it is', async (name, language) => {
  await expect(recipe(name, language)).resolves.toBeDefined();
});
