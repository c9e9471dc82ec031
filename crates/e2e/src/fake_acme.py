# An authority that does as it is told, for what no other does: renewal information, limits, answers that are wrong or huge.
# Told by `behaviour.json`, which is read for each request; what it is asked goes to `requests.jsonl`.
import base64, http.server, json, os, ssl, subprocess, sys, threading, time

folder, host, port, certificate, key = sys.argv[1:6]
base = f"https://{host}:{port}"
orders, lock = {}, threading.Lock()

def path(name): return os.path.join(folder, name)

def behaviour():
    with open(path("behaviour.json")) as file: return json.load(file)

def openssl(*arguments): subprocess.run(["openssl", *arguments], check=True, capture_output=True)

openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path("ca.key"),
        "-out", path("ca.pem"), "-subj", "/CN=fake authority", "-days", "10")
open(path("index.txt"), "w").close()
with open(path("ca.conf"), "w") as file:
    file.write(f"""[ca]
default_ca = d
[d]
database = {path("index.txt")}
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = p
copy_extensions = copy
unique_subject = no
x509_extensions = e
[p]
commonName = optional
[e]
authorityKeyIdentifier = keyid
""")

def sign(csr, lifetime):
    when = lambda at: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at))
    with open(path("csr.der"), "wb") as file: file.write(csr)
    openssl("req", "-inform", "DER", "-in", path("csr.der"), "-out", path("csr.pem"))
    openssl("ca", "-batch", "-config", path("ca.conf"), "-cert", path("ca.pem"), "-keyfile", path("ca.key"), "-notext",
            "-in", path("csr.pem"), "-out", path("leaf.pem"), "-subj", "/CN=leaf", "-startdate", when(time.time() - 5),
            "-enddate", when(time.time() + lifetime))
    with open(path("leaf.pem")) as file: return file.read()

def decode(text): return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

def problem(status, kind, headers={}):
    return status, {"type": f"urn:ietf:params:acme:error:{kind}", "detail": f"told to say {kind}"}, headers

def order(number):
    known = orders[number]
    state = {"status": known["status"], "identifiers": known["identifiers"], "finalize": f"{base}/finalize/{number}",
             "authorizations": [f"{base}/authz/{number}-{i}" for i in range(len(known["identifiers"]))]}
    if known["status"] == "valid": state["certificate"] = f"{base}/cert/{number}"
    if "replaces" in known: state["replaces"] = known["replaces"]
    return state

def answer(told, where, payload):
    name, _, number = where[1:].partition("/")
    if name == "dir":
        names = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order-new", "revokeCert": "revoke", "keyChange": "change"}
        if "window" in told: names["renewalInfo"] = "ari"
        return 200, {key: f"{base}/{name}" for key, name in names.items()}, {}
    if name == "nonce": return 200, {}, {}
    if name == "account": return 201, {"status": "valid"}, {"Location": f"{base}/account/1"}
    if name == "order-new":
        if "replaces" in payload and told.get("refuses_replaces"): return problem(409, "alreadyReplaced")
        number = str(len(orders) + 1)
        orders[number] = {"status": "ready", **{key: payload[key] for key in ("identifiers", "replaces") if key in payload}}
        return 201, order(number), {"Location": f"{base}/order/{number}"}
    if name == "authz":
        number, index = number.split("-")
        return 200, {"identifier": orders[number]["identifiers"][int(index)], "status": "valid", "challenges": []}, {}
    if name == "order": return 200, order(number), {}
    if name == "finalize":
        orders[number].update(status="valid", chain=sign(decode(payload["csr"]), told.get("lifetime", 86400)))
        return 200, order(number), {}
    if name == "cert": return 200, orders[number]["chain"], {}
    if name == "ari":
        start, end = told["window"]
        return 200, {"suggestedWindow": {"start": start, "end": end}}, {"Retry-After": "21600"}
    return problem(404, "malformed")

class Handler(http.server.BaseHTTPRequestHandler):
    def respond(self):
        with lock:
            octets = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            payload = decode(json.loads(octets)["payload"]) if octets else b""
            payload = json.loads(payload) if payload else {}
            with open(path("requests.jsonl"), "a") as file:
                file.write(json.dumps({"method": self.command, "path": self.path, "payload": payload}) + "\n")
            told = behaviour()
            name = self.path[1:].partition("/")[0]
            wrong = told.get("answers", {}).get(name)
            status, body, headers = answer(told, self.path, payload) if wrong is None else (
                wrong.get("status", 200), wrong.get("body", "x" * wrong.get("octets", 0)), wrong.get("headers", {}))
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Replay-Nonce", base64.urlsafe_b64encode(os.urandom(12)).decode())
        for key, value in headers.items(): self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD": self.wfile.write(body)
    do_GET = do_HEAD = do_POST = respond

server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
