// Variables that the code in the README uses.
declare const file: File;
declare const bar: HTMLProgressElement;
declare const label: HTMLElement;
declare const pauseButton: HTMLButtonElement;
declare const cancelButton: HTMLButtonElement;
declare const image: HTMLImageElement;
