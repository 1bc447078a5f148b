/** Where PGlite keeps the files of a store: Emscripten's file system for IndexedDB. */
const FILES = "FILE_DATA";
const databaseOf = (store: string): string => `/pglite/${store}`;
/** A file that each database has. */
const markOf = (store: string): string => `/pglite/${store}/PG_VERSION`;

/** Whether this origin's IndexedDB has a database of that name, with its files. Throws what IndexedDB says. */
export async function holdsDatabase(store: string): Promise<boolean> {
  const files = await openIfThere(databaseOf(store));
  if (files === null) return false;
  try {
    if (!files.objectStoreNames.contains(FILES)) return false;
    const mark: unknown = await answerOf(files.transaction(FILES).objectStore(FILES).getKey(markOf(store)));
    return mark !== undefined;
  } finally {
    files.close();
  }
}

async function openIfThere(name: string): Promise<IDBDatabase | null> {
  const request = indexedDB.open(name);
  let isNew = false;
  request.addEventListener("upgradeneeded", () => {
    isNew = true;
    // It would be made, empty.
    request.transaction?.abort();
  });
  try {
    return await answerOf(request);
  } catch (error) {
    if (isNew) return null;
    throw error;
  }
}

const answerOf = async <Answer>(request: IDBRequest<Answer>): Promise<Answer> =>
  await new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error ?? new DOMException("failed")));
  });
