/** The server uploads a file of its own. */
export async function POST() {
  await import('./readme');
  return new Response('uploaded');
}
