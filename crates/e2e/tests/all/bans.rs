//! Passwords guessed from behind a proxy, under TLS: who guesses is banned by its own address, and the operator sees it and ends it.

use e2e::{Authority, House, Postrider, run};
use serde_json::Value;

/// `lion`, by crypt(3).
const ZOE: &str = "[[account]]\nlogin = \"zoe@here.test\"\npassword = \"$6$rounds=1000$saltsalt$spQCvGSCwNyty0XRNutn3V6qh0Z8zQ21vaqGx/GxcLxXoHHD8px5SFn.wIeb1IQVDNNA5cgwFKIlCcPynNtzT1\"\n";
const BEHIND_A_PROXY: &str = "[[listener]]\nservice = \"submission\"\nbind = [\"127.0.0.1:0\"]\ntls = \"implicit\"\nproxy = \"required\"\n\
     [receive]\nproxy_networks = [\"127.0.0.1\"]\n[login]\nfailures_max = 4\n";

/// Says the PROXY header, shakes hands, and tries these passwords one after the other: the code of the greeting, and of each reply.
const TRY: &str = "
import base64, socket, ssl, sys
port, client, passwords = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
context = ssl._create_unverified_context()
raw = socket.create_connection(('127.0.0.1', port))
raw.sendall(f'PROXY TCP4 {client} 192.0.2.1 4000 465\\r\\n'.encode())
stream = context.wrap_socket(raw)
lines = stream.makefile('rb')
def reply():
    while True:
        line = lines.readline()
        if line[3:4] != b'-':
            print(line[:3].decode())
            return line
def say(text):
    stream.sendall(text.encode() + b'\\r\\n')
    return reply()
if reply().startswith(b'220'):
    say('EHLO client.test')
    for password in passwords:
        say('AUTH PLAIN ' + base64.b64encode(f'\\0zoe@here.test\\0{password}'.encode()).decode())
";

/// The codes that a client at this address hears.
fn tries(server: &Postrider, client: &str, passwords: &[&str]) -> Vec<String> {
    let port = server.listener("submission").port().to_string();
    let arguments = [&["-c", TRY, port.as_str(), client], passwords].concat();
    run("python3", &arguments, b"").lines().map(str::to_owned).collect()
}

#[test]
fn who_guesses_is_banned_by_its_own_address_until_the_operator_lifts_it() {
    let authority = Authority::new();
    let own = authority.issue("mx.here.test", "own");
    let house = House::new(&format!("{BEHIND_A_PROXY}{ZOE}{}", own.section()));
    let server = house.start();
    let guesses = ["one", "two", "three", "four", "lion"];
    let heard = tries(&server, "203.0.113.7", &guesses);
    assert_eq!(
        heard,
        ["220", "250", "535", "535", "535", "535", "454"],
        "the last one was right, and too late"
    );
    assert_eq!(tries(&server, "203.0.113.7", &["lion"]), ["421"], "not even greeted");
    assert_eq!(tries(&server, "203.0.113.8", &["lion"]), ["220", "250", "235"], "a neighbour");
    let listed = house.command(&["ban", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let bans = listed["bans"].as_array().unwrap();
    assert_eq!(bans.len(), 1, "{listed}");
    assert_eq!((&bans[0]["client"], &bans[0]["failures"]), (&Value::from("203.0.113.7"), &Value::from(4)));
    let table = house.command(&["ban", "list"]);
    assert!(table.out.contains("203.0.113.7") && table.out.contains("any"), "{}", table.out);
    assert_eq!(house.command(&["ban", "lift", "203.0.113.7"]).code, 0);
    let again = house.command(&["ban", "lift", "203.0.113.7"]);
    assert!(again.code == 1 && again.err.contains("nothing is held against"), "{}", again.err);
    assert_eq!(tries(&server, "203.0.113.7", &["lion"]), ["220", "250", "235"]);
    server.stop();
}
