"""Thunderbird, driven through its Marionette port: it is given an address and a password and finds the rest by itself.

Arguments: the profile's folder, the certificate to trust, the address, the password, the SMTP port for mail that comes meanwhile.
Prints what happened as JSON. Steps are scripts in the program's own context; each waits for events of the program.
"""
import json, re, smtplib, socket, sys

profile, ca, address, password, smtp_port = sys.argv[1:]


class Marionette:
    """A client of https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html: JSON behind its length."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(200)
        self.buffer, self.number = b"", 0
        assert self.read()["marionetteProtocol"] == 3

    def read(self):
        while not (head := re.match(rb"(\d+):", self.buffer)) or len(self.buffer) < head.end() + int(head[1]):
            octets = self.socket.recv(1 << 16)
            assert octets, "Thunderbird has gone"
            self.buffer += octets
        end = head.end() + int(head[1])
        message, self.buffer = self.buffer[head.end() : end], self.buffer[end:]
        return json.loads(message)

    def call(self, name, **parameters):
        self.number += 1
        message = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self.read()
        assert number == self.number and error is None, error
        return result

    def run(self, script, *arguments):
        """The value of the body of an asynchronous function, to which `given` are the arguments."""
        whole = (
            "const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);\n"
            "(async () => {" + COMMON + script + "})().then(value => done({value: value ?? null}),"
            " error => done({error: `${error} ${error?.stack ?? ''} ${error?.errors ?? ''}`}));"
        )
        result = self.call("WebDriver:ExecuteAsyncScript", script=whole, args=list(arguments), newSandbox=False, sandbox="system")
        assert "error" not in result["value"], result["value"]["error"]
        return result["value"]["value"]


COMMON = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const module = name => ChromeUtils.importESModule(`resource:///modules/accountcreation/${name}.sys.mjs`)[name];
// Asks an operation for its end.
const url = start => new Promise((resolve, reject) => start({
  OnStartRunningUrl() {},
  OnStopRunningUrl(_, status) { Components.isSuccessCode(status) ? resolve() : reject(new Error(`status ${status}`)); },
  QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
}));
const account = () => MailServices.accounts.accounts.find(one => one.incomingServer.type == "imap");
const inbox = () => account().incomingServer.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
const messages = folder => [...folder.messages].map(header => header.mime2DecodedSubject);
// Ready once a message with that subject is in the inbox.
const arrival = subject => new Promise(resolve => {
  const listener = {
    msgAdded(header) {
      if (header.mime2DecodedSubject == subject) {
        MailServices.mfn.removeListener(listener);
        resolve(subject);
      }
    },
    QueryInterface: ChromeUtils.generateQI(["nsIMsgFolderListener"]),
  };
  MailServices.mfn.addListener(listener, Ci.nsIMsgFolderNotificationService.msgAdded);
  if (messages(inbox()).includes(subject)) {
    resolve(subject);
  }
});
// The whole text of a message, fetched from the server.
const text = (folder, subject) => new Promise((resolve, reject) => {
  const header = [...folder.messages].find(header => header.mime2DecodedSubject == subject);
  const uri = folder.getUriForMsg(header);
  let read = "";
  MailServices.messageServiceFromURI(uri).streamMessage(uri, {
    onStartRequest() {},
    onDataAvailable(request, stream, offset, count) {
      const scriptable = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
      scriptable.init(stream);
      read += scriptable.readBytes(count);
    },
    onStopRequest(request, status) { Components.isSuccessCode(status) ? resolve(read) : reject(new Error(`status ${status}`)); },
    QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
  }, null, null, false, "", false);
});
"""

TRUST = """
Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(given[0], "C,,");
"""

FIND = """
const [address] = given;
const found = module("FindConfig").parallelAutoDiscovery(address.split("@")[1], address, new AbortController().signal, null, null);
const config = (await found.next()).value;
if (!config || config.isRedirect) {
  throw new Error(`found ${JSON.stringify(config)}`);
}
globalThis.found = config;
const server = ({ type, hostname, port, socketType, auth, username }) => ({ type, hostname, port, socketType, auth, username });
return {
  source: config.subSource, incoming: server(config.incoming), outgoing: server(config.outgoing),
  alternatives: config.incomingAlternatives.map(server),
};
"""

CREATE = """
const [address, password] = given, config = globalThis.found;
module("AccountConfig").replaceVariables(config, "Carol", address, password);
config.rememberPassword = true;
const verifier = new (module("ConfigVerifier"))(null, new AbortController().signal);
const verified = await verifier.verifyConfig(config);
await module("CreateInBackend").createAccountInBackend(verified);
return { username: account().incomingServer.username, port: account().incomingServer.port };
"""

LIST = """
const server = account().incomingServer;
if (!inbox()) {
  const added = new Promise(resolve => {
    const listener = {
      onFolderAdded() { if (inbox()) { MailServices.mailSession.RemoveFolderListener(listener); resolve(); } },
      QueryInterface: ChromeUtils.generateQI(["nsIFolderListener"]),
    };
    MailServices.mailSession.AddFolderListener(listener, Ci.nsIFolderListener.added);
  });
  server.performExpand(null);
  await added;
}
globalThis.arrived = arrival(given[0]);
await url(listener => inbox().QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, listener));
await globalThis.arrived;
return messages(inbox());
"""

READ = "return text(inbox(), given[0]);"

# Begins to listen; `ARRIVED` waits. Nothing is asked of the server in between: what is told comes by IDLE.
LISTEN = """
if (!account().incomingServer.QueryInterface(Ci.nsIImapIncomingServer).useIdle) {
  throw new Error("no IDLE");
}
account().incomingServer.doBiff = false;
globalThis.arrived = arrival(given[0]);
"""
ARRIVED = "return globalThis.arrived;"

SEND = """
const [to, subject, body] = given;
const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
Object.assign(fields, { to, subject, body });
const parameters = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
parameters.type = Ci.nsIMsgCompType.New;
parameters.format = Ci.nsIMsgCompFormat.PlainText;
parameters.identity = account().defaultIdentity;
parameters.composeFields = fields;
const window = await new Promise(resolve => {
  Services.ww.registerNotification(function opened(window, topic) {
    if (topic == "domwindowopened") {
      window.addEventListener("compose-editor-ready", () => {
        Services.ww.unregisterNotification(opened);
        resolve(window);
      }, { once: true });
    }
  });
  MailServices.compose.OpenComposeWindowWithParams(null, parameters);
});
const sent = new Promise((resolve, reject) => {
  window.gMsgCompose.addMsgSendListener({
    onStartSending() {}, onProgress() {}, onSendProgress() {}, onStatus() {}, onGetDraftFolderURI() {}, onSendNotPerformed() { reject(new Error("not sent")); },
    onTransportSecurityError() { reject(new Error("not trusted")); },
    onStopSending(id, status) { Components.isSuccessCode(status) ? resolve(id) : reject(new Error(`status ${status}`)); },
    QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
  });
});
const closed = new Promise(resolve => window.addEventListener("unload", resolve, { once: true }));
window.goDoCommand("cmd_sendNow");
const id = await sent;
// The copy in Sent is written before the window closes.
await closed;
return id;
"""


def deliver(subject, body):
    with smtplib.SMTP("127.0.0.1", int(smtp_port)) as smtp:
        smtp.sendmail("ben@there.test", [address], f"From: ben@there.test\r\nTo: {address}\r\nSubject: {subject}\r\n\r\n{body}\r\n")


happened = {}
thunderbird = Marionette(int(open(f"{profile}/MarionetteActivePort").read()))
thunderbird.call("WebDriver:NewSession", capabilities={})
thunderbird.call("WebDriver:SetTimeouts", script=180000)
thunderbird.call("Marionette:SetContext", value="chrome")
der = "".join(line for line in open(ca).read().splitlines() if not line.startswith("-----"))
thunderbird.run(TRUST, der)
happened["found"] = thunderbird.run(FIND, address)
happened["created"] = thunderbird.run(CREATE, address, password)
deliver("first", "the body of the first")
happened["listed"] = thunderbird.run(LIST, "first")
happened["read"] = thunderbird.run(READ, "first")
thunderbird.run(LISTEN, "second")
deliver("second", "the body of the second")
happened["arrived"] = thunderbird.run(ARRIVED)
happened["sent"] = thunderbird.run(SEND, "anna@here.test", "from Thunderbird", "Grüße\n.\nfrom a desktop")
print(json.dumps(happened))
