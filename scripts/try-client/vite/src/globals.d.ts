// What the code of the README takes for granted.
declare const file: File;
declare const bar: HTMLProgressElement;
declare const label: HTMLElement;
declare const pauseButton: HTMLButtonElement;
declare const cancelButton: HTMLButtonElement;
declare const image: HTMLImageElement;
