// Format, lint and types, side by side; what each of them said comes out in one piece. For `npm run check`.
import { spawn } from 'node:child_process';

const CHECKS = ['format:check', 'lint', 'types'];

function run(name) {
  const startedAt = Date.now();
  const child = spawn('npm', ['run', '--silent', name], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  child.stdout.on('data', (chunk) => said.push(chunk));
  child.stderr.on('data', (chunk) => said.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      process.stdout.write(`> ${name}: ${code === 0 ? 'fine' : 'FAILED'}, ${Date.now() - startedAt} ms\n`);
      if (code !== 0) process.stdout.write(Buffer.concat(said));
      resolve(code === 0);
    });
  });
}

const results = await Promise.all(CHECKS.map(run));
process.exitCode = results.every(Boolean) ? 0 : 1;
