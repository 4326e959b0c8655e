import { recipe } from '../setup/recipe.js';

it.each(['fetch', 'blueimp', 'chunked-uploady', 'uppy'])(
  'the page of %s shows its code as it is',
  async (name) => {
    await expect(recipe(name)).resolves.toBeDefined();
  },
);
