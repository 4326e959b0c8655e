/** Uploads a file from the server. */
export async function POST() {
  await import('./readme');
  return new Response('uploaded');
}
