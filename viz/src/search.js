// Search over the text of all different messages, then the records that have a matching one.
import { bound } from './data.js';

function messagesWith(t, words) {
  if (!t.lower) t.lower = new TextDecoder('latin1').decode(t.text).toLowerCase();
  const hit = new Uint8Array(t.message_length.length);
  const n = t.message_length.length;
  for (let at = t.lower.indexOf(words); at >= 0;) {
    const message = bound(n, (k) => t.textAt[k + 1] <= at);
    hit[message] = at + words.length <= t.textAt[message + 1] ? 1 : hit[message];
    at = t.lower.indexOf(words, hit[message] ? t.textAt[message + 1] : at + 1);
  }
  return hit;
}

export function search(app, text, output) {
  const words = text.trim().toLowerCase();
  let count = 0;
  for (const view of app.views) {
    const { t } = view;
    view.matches = null;
    if (words) {
      const hit = messagesWith(t, words);
      const tasks = t.head.tasks.map(([name]) => name.toLowerCase() === words);
      const found = [];
      for (let i = 0; i < t.n; i++) if (hit[t.message[i]] || tasks[t.task[i]]) found.push(i);
      view.matches = found;
      count += found.length;
    }
    view.draw();
  }
  output.textContent = words ? count.toLocaleString('en') : '';
  return count;
}

export function step(app, d, go) {
  const view = app.active;
  const m = view.matches;
  if (!m || !m.length) return;
  let i = d > 0 ? bound(m.length, (k) => m[k] <= view.cursor) : bound(m.length, (k) => m[k] < view.cursor) - 1;
  i = (i + m.length) % m.length;
  go(view, m[i], true);
}
