"""Providers of mail accounts that do as they are told: submission over TLS with logins, and an authorization server.

FOLDER ADDRESS:PORT:MODE:CERTIFICATE:KEY... ; MODE is implicit, starttls or https. What they do is in FOLDER/behaviour.json, read
anew at each line; what they got goes to FOLDER/got.jsonl, a line of JSON for each thing.
"""
import base64
import http.server
import json
import pathlib
import socket
import ssl
import sys
import threading
import urllib.parse

folder = pathlib.Path(sys.argv[1])
lock = threading.Lock()
tokens = {"number": 0}


def behaviour():
    return json.loads((folder / "behaviour.json").read_text())


def tell(**what):
    with lock, open(folder / "got.jsonl", "a") as out:
        out.write(json.dumps(what) + "\n")


class Session:
    def __init__(self, stream, host, context, secure):
        self.stream, self.host, self.context, self.secure = stream, host, context, secure
        self.file = stream.makefile("rb")
        self.login = None

    def say(self, text):
        self.stream.sendall(text.encode() + b"\r\n")

    def line(self):
        line = self.file.readline()
        if not line:
            raise EOFError
        return line.decode("utf-8", "replace").rstrip("\r\n")

    def ruled(self, verb):
        for start, reply in behaviour().get("rules", []):
            if verb.upper().startswith(start):
                self.say(reply)
                tell(host=self.host, refused=verb, reply=reply)
                return reply
        return None

    def run(self):
        tell(host=self.host, connected=True)
        if self.ruled("CONNECT"):
            return
        self.say("220 %s ESMTP" % self.host)
        sender, recipients = None, []
        while True:
            line = self.line()
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                self.say("250-%s" % self.host)
                self.say("250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 26214400\r\n250-ENHANCEDSTATUSCODES")
                if self.secure:
                    self.say("250 AUTH %s" % " ".join(behaviour()["auth"]))
                else:
                    self.say("250 STARTTLS")
            elif verb == "STARTTLS" and not self.secure:
                self.say("220 2.0.0 Go ahead")
                self.stream = self.context.wrap_socket(self.stream, server_side=True)
                self.file, self.secure = self.stream.makefile("rb"), True
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                tell(host=self.host, quit=True)
                return
            elif verb == "AUTH":
                self.auth(line)
            elif verb == "RSET":
                sender, recipients = None, []
                self.say("250 2.0.0 Ok")
            elif self.login is None:
                self.say("530 5.7.0 Authentication Required")
            elif verb == "MAIL":
                sender, recipients = line.split("<")[1].split(">")[0], []
                owned = behaviour().get("senders")
                if self.ruled(line):
                    pass
                elif owned is not None and sender and sender not in owned:
                    self.say("550 5.7.60 SMTP; Client does not have permissions to send as this sender")
                    tell(host=self.host, refused=line, reply="550 5.7.60")
                else:
                    self.say("250 2.1.0 Ok")
            elif verb == "RCPT":
                if not self.ruled(line):
                    recipients.append(line.split("<")[1].split(">")[0])
                    self.say("250 2.1.5 Ok")
            elif verb == "DATA":
                if not recipients:
                    self.say("503 5.5.1 No recipient")
                    continue
                self.say("354 Go ahead")
                content = []
                while True:
                    text = self.line()
                    if text == ".":
                        break
                    content.append(text[1:] if text.startswith(".") else text)
                if self.ruled("."):
                    continue
                tell(host=self.host, login=self.login, sender=sender, recipients=recipients, content="\n".join(content))
                self.say("250 2.0.0 Ok")
            else:
                self.say("500 5.5.1 What?")

    def auth(self, line):
        words = line.split(" ")
        kind = words[1].upper()
        if self.ruled(line):
            return
        if kind not in behaviour()["auth"]:
            self.say("504 5.5.4 Unrecognized Authentication Type")
            return

        def answer(challenge):
            self.say("334 " + challenge)
            return self.line()

        if kind == "LOGIN":
            name = base64.b64decode(answer("VXNlcm5hbWU6")).decode()
            good = behaviour()["passwords"].get(name) == base64.b64decode(answer("UGFzc3dvcmQ6")).decode()
        else:
            text = base64.b64decode(words[2] if len(words) > 2 else answer("")).decode()
            if kind == "PLAIN":
                _, name, password = text.split("\0")
                good = behaviour()["passwords"].get(name) == password
            else:
                token = text.split("auth=Bearer ")[1].split("\x01")[0]
                user = text.split("\x01")[0]
                name = user[5:] if user.startswith("user=") else user.split("a=")[1].rstrip(",")
                good = token == "access-%d" % tokens["number"] and not behaviour().get("refuse_tokens")
                if not good:
                    answer(base64.b64encode(b'{"status":"401"}').decode())
        tell(host=self.host, auth=kind, login=name, good=good)
        if good:
            self.login = name
            self.say("235 2.7.0 Accepted")
        else:
            self.say("535 5.7.8 Username and Password not accepted")


class Authorization(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        told = behaviour().get("oauth", {})
        tell(asked=self.path, form=form)
        status, body = 200, {}
        if self.path == "/device":
            body = {"device_code": "device", "user_code": "ABCD-EFGH", "verification_uri": "https://id.test/go", "interval": 1, "expires_in": 60}
        elif told.get("revoked"):
            status, body = 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        elif form["grant_type"].endswith("device_code") and told.get("pending"):
            status, body = 400, {"error": "authorization_pending"}
        else:
            with lock:
                tokens["number"] += 1
                body = {"access_token": "access-%d" % tokens["number"], "refresh_token": "refresh-%d" % tokens["number"],
                        "token_type": "Bearer", "expires_in": told.get("expires_in", 3600)}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        pass


def serve(listener, host, context, implicit):
    def one(stream):
        try:
            if implicit:
                stream = context.wrap_socket(stream, server_side=True)
            Session(stream, host, context, implicit).run()
        except (OSError, EOFError, ssl.SSLError) as error:
            tell(host=host, broken=str(error))
        finally:
            stream.close()

    while True:
        stream, _ = listener.accept()
        threading.Thread(target=one, args=(stream,), daemon=True).start()


threads = []
for text in sys.argv[2:]:
    host, address, port, mode, certificate, key = text.split("|")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if mode == "https":
        server = http.server.ThreadingHTTPServer((address, int(port)), Authorization)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threads.append(threading.Thread(target=server.serve_forever, daemon=True))
    else:
        listener = socket.create_server((address, int(port)), backlog=50)
        threads.append(threading.Thread(target=serve, args=(listener, host, context, mode == "implicit"), daemon=True))
for thread in threads:
    thread.start()
(folder / "ready").write_text("")
for thread in threads:
    thread.join()
