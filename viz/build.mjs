// Builds dist/viewer.html: bundles src/ with esbuild and puts script and style into the shell.
// `node build.mjs --check` says whether dist/ is what the sources build to.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const read = (name) => readFileSync(join(here, name), 'utf8');
const options = { bundle: true, minify: true, write: false, target: ['chrome90', 'firefox113', 'safari16.4'], legalComments: 'none' };
const script = await esbuild.build({ ...options, entryPoints: [join(here, 'src/main.js')], format: 'iife', charset: 'utf8' });
const style = await esbuild.build({ ...options, entryPoints: [join(here, 'src/style.css')], charset: 'utf8' });
const code = script.outputFiles[0].text.trim().replaceAll('</script', '<\\/script');
const licences = read('LICENSES').trim();
const page = read('src/shell.html')
  .replace('/*style*/', () => style.outputFiles[0].text.trim())
  .replace('/*licences*/', () => licences)
  .replace('/*script*/', () => code);
const target = join(here, 'dist/viewer.html');
if (process.argv.includes('--check')) {
  const same = existsSync(target) && readFileSync(target, 'utf8') === page;
  console.log(same ? 'dist/viewer.html is what the sources build to' : 'dist/viewer.html is stale: npm run build');
  process.exit(same ? 0 : 1);
}
mkdirSync(join(here, 'dist'), { recursive: true });
writeFileSync(target, page);
console.log(`dist/viewer.html: ${page.length} characters, sha256 ${createHash('sha256').update(page).digest('hex').slice(0, 12)}`);
