"""A real mail server for the tests: aiosmtpd, which keeps what it gets as files, with sender and recipients
beside them, and can be told to misbehave."""

import argparse
import asyncio
import itertools
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

arguments = argparse.ArgumentParser()
arguments.add_argument("--folder", type=pathlib.Path, required=True)
arguments.add_argument("--mode", choices=["take", "later", "never", "hang"], default="take")
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--certificate")
arguments.add_argument("--key")
arguments.add_argument("--account", help="name:password")
given = arguments.parse_args()
numbers = itertools.count()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if given.mode == "later":
            return "451 come back later, " + address
        if given.mode == "never":
            return "550 nobody of that name, " + address
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if given.mode == "hang":
            await asyncio.sleep(3600)
        guarded = "tls" if session.ssl else "plain"
        name = f"{next(numbers):03}-{guarded}-{'known' if session.authenticated else 'unknown'}.eml"
        draft = given.folder / ("." + name)
        draft.write_bytes(envelope.content)
        recipients = "\n".join([envelope.mail_from, *envelope.rcpt_tos]) + "\n"
        (given.folder / f".{name}.envelope").write_text(recipients)
        draft.rename(given.folder / name)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    wanted = tuple(given.account.encode().split(b":", 1))
    return AuthResult(success=(data.login, data.password) == wanted)


def connection():
    context = None
    if given.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.certificate, given.key)
    account = {"authenticator": authenticate, "auth_required": True} if given.account else {}
    return SMTP(Handler(), tls_context=context, require_starttls=context is not None, hostname="mail.test", **account)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", given.port)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(main())
