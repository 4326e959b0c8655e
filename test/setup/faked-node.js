// Loaded before a program, with `node --import`: has it believe that it runs in an old Node.
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } });
