"""A handler for aiosmtpd, which tests run as their mail server.

It keeps mails in a Maildir, and refuses readers whose name begins with "refused".
With SINK_LOGIN (name:password) in the environment it takes mails from whoever logs
in as that, and from nobody else.
"""
import base64
import os

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult

LOGIN = os.environ.get("SINK_LOGIN")


class Sink(Mailbox):
    async def auth_PLAIN(self, server, args):
        given = base64.b64decode(args[1]).decode().split("\0")
        return AuthResult(success=given[1:] == LOGIN.split(":", 1), handled=False)

    async def handle_MAIL(self, server, session, envelope, address, options):
        if LOGIN and not session.authenticated:
            return "530 5.7.0 log in first"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"
