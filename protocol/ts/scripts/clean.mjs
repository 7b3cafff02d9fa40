// Removes what the build made, so that a file that was renamed does not live on in the package.
import { rm } from 'node:fs/promises';

for (const folder of ['dist', '.test']) {
  await rm(new URL(`../${folder}`, import.meta.url), { recursive: true, force: true });
}
