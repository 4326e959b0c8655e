import { placeOf } from '../crash/checkout.js';
import { MUTANTS } from '../crash/mutations.js';

/** They run by hand, so nobody would notice for long that the code has changed under them. */
it.each(MUTANTS)('the mutant "$name" can be made of the code as it is', async ({ patches }) => {
  for (const patch of patches) await expect(placeOf('.', patch)).resolves.toHaveLength(2);
});
