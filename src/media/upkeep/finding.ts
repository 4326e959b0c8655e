/** A violation of our promise, or something that cannot be checked. */
export interface Finding {
  readonly fault:
    | 'media-missing'
    | 'media-wrong-size'
    | 'media-wrong-hash'
    | 'media-unreadable'
    | 'thumbnail-missing'
    | 'thumbnail-unreadable'
    | 'upload-short'
    | 'upload-unreadable'
    | 'orphan';
  /** Id of the media or upload, or name of the orphan. */
  readonly subject: string;
  readonly detail: string;
  /** What `--fix` does; undefined if it does nothing, since only a person can help. */
  readonly remedy: string | undefined;
  readonly fix: () => Promise<void>;
}

/** A blob that may be intact: nothing is changed. */
export function unreadable(kind: 'media' | 'thumbnail' | 'upload', subject: string, detail: string): Finding {
  return { fault: `${kind}-unreadable`, subject, detail, remedy: undefined, fix: () => Promise.resolve() };
}
