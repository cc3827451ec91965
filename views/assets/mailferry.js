'use strict';
// Makes the pages livelier. Every page works without this file; see views/partials/ui/README.md for the attributes.
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const lang = document.documentElement.lang || 'en';

  const formats = {
    number: (n) => new Intl.NumberFormat(lang).format(n),
    bytes: (n) => {
      const units = ['B', 'KB', 'MB', 'GB', 'TB'];
      let unit = 0;
      while (n >= 1024 && unit < units.length - 1) {
        n /= 1024;
        unit += 1;
      }
      const digits = unit === 0 || n >= 100 ? 0 : 1;
      return new Intl.NumberFormat(lang, { maximumFractionDigits: digits }).format(n) + ' ' + units[unit];
    },
    rate: (n) => formats.bytes(n) + '/s',
    duration: (seconds) => {
      const s = Math.max(0, Math.round(seconds));
      if (s < 60) return s + ' s';
      const m = Math.round(s / 60);
      if (m < 60) return m + ' min';
      const h = Math.floor(m / 60);
      if (h < 24) return m % 60 ? h + ' h ' + (m % 60) + ' min' : h + ' h';
      return h % 24 ? Math.floor(h / 24) + ' d ' + (h % 24) + ' h' : h / 24 + ' d';
    },
    percent: (share) => Math.floor(share * 100) + '%',
    text: (value) => String(value),
  };
  const show = (value, format) => {
    if (value === null || value === undefined) return '–';
    const write = formats[format] || (typeof value === 'number' ? formats.number : formats.text);
    return write(value);
  };
  const one = (object, path) => path.split('.').reduce((value, key) => (value == null ? value : value[key]), object);
  // 'progress.copied+progress.failed' is the sum of both.
  const at = (object, paths) =>
    paths.includes('+')
      ? paths.split('+').reduce((sum, path) => sum + (one(object, path) || 0), 0)
      : one(object, paths);
  const put = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };

  function localTimes(root) {
    const styles = {
      date: { dateStyle: 'medium' },
      time: { timeStyle: 'short' },
      datetime: { dateStyle: 'medium', timeStyle: 'short' },
    };
    for (const time of all('time[data-local]', root)) {
      const date = new Date(time.dateTime);
      if (!Number.isNaN(date.getTime()))
        put(time, new Intl.DateTimeFormat(lang, styles[time.dataset.local] || styles.datetime).format(date));
    }
  }

  // A form is sent once; the browser's back button gives it back.
  function sendOnce(root) {
    for (const form of all('form[data-once]', root)) {
      form.addEventListener('submit', (event) => {
        const question = event.submitter && event.submitter.dataset.confirm;
        if (form.getAttribute('aria-busy') === 'true' || (question && !window.confirm(question))) {
          event.preventDefault();
          return;
        }
        form.setAttribute('aria-busy', 'true');
        // After the browser has read the form: a disabled button's own value would not be sent.
        setTimeout(() => all('button', form).forEach((button) => button.setAttribute('aria-disabled', 'true')), 0);
      });
    }
  }
  window.addEventListener('pageshow', () => {
    for (const form of all('form[data-once]')) {
      form.removeAttribute('aria-busy');
      all('button', form).forEach((button) => button.removeAttribute('aria-disabled'));
    }
  });

  function fields(root) {
    for (const box of all('[data-reveal]', root)) {
      const input = box.querySelector('input');
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'mf-reveal';
      button.setAttribute('aria-controls', input.id);
      const write = () => put(button, input.type === 'password' ? box.dataset.show : box.dataset.hide);
      button.addEventListener('click', () => {
        input.type = input.type === 'password' ? 'text' : 'password';
        write();
        input.focus();
      });
      write();
      box.append(button);
    }
    for (const input of all('input[data-equals]', root)) {
      const buttons = all('button[type="submit"]', input.form || root);
      const compare = () => {
        const right = input.value.trim().toLowerCase() === input.dataset.equals.toLowerCase();
        for (const button of buttons) if (!button.formNoValidate) button.disabled = !right;
      };
      input.addEventListener('input', compare);
      compare();
    }
  }

  // The server draws; the script only fetches what it drew anew.
  let refreshing = null;
  function refresh() {
    refreshing ||= fetch(location.href, { headers: { Accept: 'text/html' }, credentials: 'same-origin' })
      .then((answer) => {
        if (answer.redirected || !answer.ok) return location.reload();
        return answer.text().then((html) => {
          const page = new window.DOMParser().parseFromString(html, 'text/html');
          for (const old of all('[data-live][id]')) {
            const fresh = page.getElementById(old.id);
            // What somebody is choosing in stays as it is.
            if (!fresh || old.querySelector('input:checked')) continue;
            const focused = old.contains(document.activeElement) ? document.activeElement.id : '';
            old.replaceWith(fresh);
            enhance(fresh);
            const again = focused && document.getElementById(focused);
            if (again) again.focus();
          }
        });
      })
      .catch(() => undefined)
      .finally(() => {
        refreshing = null;
      });
    return refreshing;
  }

  function apply(root, job) {
    for (const element of all('[data-bind]', root)) {
      const whole = element.dataset.bindOf ? at(job, element.dataset.bindOf) : null;
      const value = at(job, element.dataset.bind);
      put(element, show(whole ? Math.min(1, value / whole) : value, element.dataset.format));
    }
    for (const bar of all('progress[data-bind-max]', root)) {
      const max = at(job, bar.dataset.bindMax);
      if (max > 0) {
        bar.max = max;
        bar.value = Math.min(max, at(job, bar.dataset.bindValue) || 0);
      }
    }
    for (const line of all('[data-kind]', root)) {
      const folders = (job.folders || []).filter((folder) => folder.kind === line.dataset.kind);
      const sum = (name) => folders.reduce((total, folder) => total + folder[name], 0);
      const sums = { found: sum('found'), arrived: sum('copied') + sum('alreadyThere') };
      for (const cell of all('[data-bind-kind]', line)) put(cell, show(sums[cell.dataset.bindKind], 'number'));
    }
    const rows = new Map(all('[data-folder]', root).map((row) => [row.dataset.folder, row]));
    if (root.querySelector('[data-folders]') || rows.size > 0) {
      for (const folder of job.folders || []) {
        const row = rows.get(folder.kind + '|' + folder.path);
        if (!row) {
          refresh();
          break;
        }
        for (const cell of all('[data-bind-folder]', row))
          put(cell, show(folder[cell.dataset.bindFolder], cell.dataset.format));
        for (const bar of all('progress', row)) {
          if (folder.found > 0) {
            bar.max = folder.found;
            bar.value = folder.copied + folder.alreadyThere + folder.skipped + folder.failed;
          }
        }
      }
    }
  }

  function listen(root) {
    const stream = new EventSource(root.dataset.events);
    // What the server drew: the job may have gone on before the stream was open.
    let state = root.dataset.state || null;
    const on = (type, change) =>
      stream.addEventListener(type, (event) => {
        const job = JSON.parse(event.data);
        const changed = change || (state !== null && state !== job.state);
        state = job.state;
        apply(document.getElementById(root.id) || root, job);
        if (changed) refresh();
      });
    on('snapshot', false);
    on('progress', false);
    on('state', true);
    on('end', true);
    stream.addEventListener('end', () => stream.close());
    window.addEventListener('pagehide', () => stream.close(), { once: true });
  }

  function poll(element) {
    const ask = () =>
      fetch(element.dataset.poll, { headers: { Accept: 'application/json' }, credentials: 'same-origin' })
        .then((answer) => (answer.ok ? answer.json() : { state: 'done' }))
        .then((view) => {
          if (view.state === 'done' || (view.ok !== undefined && view.state === undefined)) {
            if (element.dataset.then) location.href = element.dataset.then;
            else location.reload();
          } else setTimeout(ask, 1000);
        })
        .catch(() => setTimeout(ask, 3000));
    setTimeout(ask, 1000);
  }

  function redraw(element) {
    const timer = setInterval(
      () => {
        if (!document.getElementById(element.id) || !document.getElementById(element.id).dataset.refresh)
          clearInterval(timer);
        else if (!document.hidden) refresh();
      },
      Number(element.dataset.refresh) * 1000,
    );
  }

  function enhance(root) {
    localTimes(root);
    sendOnce(root);
    fields(root);
    if (root !== document && root.dataset.poll) poll(root);
    all('[data-poll]', root).forEach(poll);
  }

  enhance(document);
  all('[data-events]').forEach(listen);
  all('[data-refresh]').forEach(redraw);
})();
