it('loads', async () => {
  const name = 'jsdom';
  const { JSDOM } = await import(name);
  const dom = new JSDOM('<div id=a></div>', { url: 'http://ui.example/' });
  console.log(typeof dom.window.XMLHttpRequest);
});
