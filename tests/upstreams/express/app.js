// A small notice board: JSON, a WebSocket echo and server-sent events.
//
// It has no security of its own and knows nothing of Palisade. `GET /seen` tells how many
// state-changing requests and sockets reached it, so that a test can show what did not.
'use strict';

const http = require('node:http');
const express = require('express');
const { WebSocketServer } = require('ws');

const app = express();
const notices = [{ id: 1, text: 'Welcome' }];
const seen = { writes: 0, sockets: 0 };

app.use((request, _response, next) => {
  if (!['GET', 'HEAD', 'OPTIONS'].includes(request.method)) seen.writes += 1;
  next();
});
app.use(express.json());
app.use(express.urlencoded({ extended: false }));

app.get('/', (_request, response) => {
  response.type('html').send(`<!doctype html><html lang="en"><title>Notices</title>
<h1>Notices</h1><ul>${notices.map((notice) => `<li>${notice.text}</li>`).join('')}</ul>
<form method="post" action="/notices"><label>Text <input name="text"></label><button>Post</button></form></html>`);
});

app.post('/notices', (request, response) => {
  notices.push({ id: notices.length + 1, text: String(request.body.text) });
  if (request.is('json')) return response.status(201).json(notices.at(-1));
  return response.redirect('/');
});

app.get('/whoami', (request, response) => response.json(request.headers));
app.get('/seen', (_request, response) => response.json(seen));

// Three events, a while apart: a proxy that buffers shows them all at once at the end.
app.get('/events', (_request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  let n = 0;
  const timer = setInterval(() => {
    n += 1;
    response.write(`id: ${n}\ndata: tick ${n}\n\n`);
    if (n === 3) {
      clearInterval(timer);
      response.end();
    }
  }, 300);
  response.on('close', () => clearInterval(timer));
});

const server = http.createServer(app);
const sockets = new WebSocketServer({ server, path: '/echo' });
sockets.on('connection', (socket) => {
  seen.sockets += 1;
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});

// The port that was taken, on one line, for whoever started us.
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(server.address().port));
