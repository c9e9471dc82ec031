//! `quickstart` followed literally, twice, in a small Internet of network namespaces: what it prints goes into Knot as it is, certificates come from
//! Pebble, and the two servers believe each other's mail.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{Authority, Process, Said, binary, eventually, eventually_true, said};
use serde_json::json;
use tempfile::TempDir;

const SOON: Duration = Duration::from_mins(2);
/// The name server and the authority of certificates; the server of example.net is there too.
const WORLD: &str = "11.0.0.1";
const NEW: &str = "11.0.0.2";

/// A machine: a network of its own, and the name server of the world in its `/etc/resolv.conf`.
struct Machine {
    holder: Process,
    address: &'static str,
}

impl Machine {
    fn new(folder: &Path, address: &'static str) -> Self {
        let resolv = folder.join("resolv.conf");
        fs::write(&resolv, format!("nameserver {WORLD}\n")).unwrap();
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--mount", "sh", "-ec"]);
        unshare
            .arg("ip link set lo up; mount --bind \"$0\" /etc/resolv.conf; echo ready; exec sleep infinity");
        unshare.arg(&resolv);
        let holder = Process::start("unshare", unshare, &folder.join(format!("{address}.log")));
        eventually_true("a namespace", SOON, || holder.printed().contains("ready"));
        Self { holder, address }
    }

    /// A command that runs there.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--mount", "--target", &self.holder.id().to_string(), "--"]);
        command.arg(program.as_ref());
        command
    }

    fn run(&self, words: &[&str]) -> Said {
        let (program, words) = words.split_first().unwrap();
        said(self.command(program).args(words), b"")
    }

    fn must(&self, words: &[&str]) -> String {
        let Said { code, out, err } = self.run(words);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out
    }
}

/// Two machines with a cable between them.
fn machines(folder: &Path) -> (Machine, Machine) {
    let (world, new) = (Machine::new(folder, WORLD), Machine::new(folder, NEW));
    let id = new.holder.id().to_string();
    world.must(&["ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &id]);
    for machine in [&world, &new] {
        machine.must(&["ip", "address", "add", &format!("{}/24", machine.address), "dev", "cable"]);
        machine.must(&["ip", "link", "set", "cable", "up"]);
    }
    (world, new)
}

/// A server that `quickstart` made.
struct Made {
    domain: &'static str,
    config: PathBuf,
    /// What it printed on standard output.
    zone: String,
    /// The words of the command that it named for looking whether all is well.
    look: Vec<String>,
    password: String,
}

fn quickstart(machine: &Machine, folder: &Path, domain: &'static str, pebble: &Pebble) -> Made {
    let (config, data) = (folder.join(domain).join("postrider.toml"), folder.join(domain).join("state"));
    let mut command = machine.command(binary());
    command.arg("quickstart").arg(format!("you@{domain}")).args([
        "--yes",
        "--user",
        "nobody",
        "--acme-directory",
    ]);
    command.arg(&pebble.directory).arg("--acme-ca").arg(pebble.ca.certificate());
    command.arg("--config").arg(&config).arg("--data-dir").arg(&data);
    let made = said(&mut command, b"");
    assert_eq!(made.code, 0, "{}", made.err);
    let is_password = |line: &&str| line.split('-').count() == 4 && line.len() == 23;
    let password = made.err.lines().map(str::trim).find(is_password);
    let password = password.expect(&made.err).to_owned();
    // Nobody else may read its keys.
    for key in fs::read_dir(data.join("dkim").join(domain)).unwrap() {
        assert_eq!(key.unwrap().metadata().unwrap().permissions().mode() & 0o007, 0);
    }
    let look = made.err.lines().find_map(|line| line.strip_prefix("3. See whether all is well: "));
    let look = look.expect(&made.err).split(' ').map(str::to_owned).collect();
    Made { domain, config, zone: made.out, look, password }
}

impl Made {
    fn serve(&self, machine: &Machine, folder: &Path) -> Process {
        let mut command = machine.command(binary());
        command.arg("serve").arg("--config").arg(&self.config);
        Process::start(self.domain, command, &folder.join(format!("{}.log", self.domain)))
    }

    /// What `doctor` says, as it was told to be asked, and what the DNS alone is said to be like. The machine trusts the authority of this world.
    fn is_healthy(&self, machine: &Machine, root: &Path) {
        let (program, words) = self.look.split_first().unwrap();
        assert_eq!(program, "postrider");
        let config = self.config.to_str().unwrap();
        let dns: Vec<String> = ["dns", "check", "--config", config].map(str::to_owned).to_vec();
        for words in [words, &dns] {
            let mut command = machine.command(binary());
            let told = said(command.args(words).env("SSL_CERT_FILE", root), b"");
            assert_eq!(told.code, 0, "{words:?}: {}{}", told.out, told.err);
            let last = told.out.trim_end().lines().last().unwrap_or_default();
            assert!(last.starts_with("healthy: "), "{words:?}: {}", told.out);
            assert!(told.out.contains(&format!("domain {}", self.domain)), "{words:?}: {}", told.out);
        }
    }

    /// A mail as a client sends it, by a login.
    fn send(&self, machine: &Machine, to: &str, subject: &str) {
        let from = format!("you@{}", self.domain);
        let sent = machine.run(&[
            "swaks",
            "--server",
            &format!("mail.{}", self.domain),
            "--port",
            "587",
            "--tls",
            "--auth",
            "PLAIN",
            "--auth-user",
            &from,
            "--auth-password",
            &self.password,
            "--from",
            &from,
            "--to",
            to,
            "--header",
            &format!("Subject: {subject}"),
        ]);
        assert_eq!(sent.code, 0, "{}{}", sent.out, sent.err);
    }

    /// The first mail of the mailbox, once there is one, by IMAP under a certificate that is verified.
    fn first_mail(&self, machine: &Machine, root: &Path) -> String {
        let url = format!("imaps://mail.{}/INBOX;MAILINDEX=1", self.domain);
        let user = format!("you@{}:{}", self.domain, self.password);
        eventually("the mail in its mailbox", SOON, || {
            let mut curl = machine.command("curl");
            let got = said(curl.args(["--silent", "--cacert"]).arg(root).args(["--user", &user, &url]), b"");
            (got.code == 0 && !got.out.is_empty()).then_some(got.out)
        })
    }
}

/// The authority of certificates of the world.
struct Pebble {
    _process: Process,
    ca: Authority,
    directory: String,
}

impl Pebble {
    fn start(world: &Machine, folder: &Path) -> Self {
        let ca = Authority::new();
        let pair = ca.issue(WORLD, "pebble");
        let config = json!({ "pebble": {
            "listenAddress": format!("{WORLD}:14000"), "managementListenAddress": format!("{WORLD}:15000"),
            "certificate": pair.certificate, "privateKey": pair.key,
            "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        let file = folder.join("pebble.json");
        fs::write(&file, config.to_string()).unwrap();
        let mut command = world.command("pebble");
        command.arg("-config").arg(&file).args(["-dnsserver", &format!("{WORLD}:53")]);
        command.env("PEBBLE_VA_NOSLEEP", "1");
        let process = Process::start("pebble", command, &folder.join("pebble.log"));
        Self { _process: process, ca, directory: format!("https://{WORLD}:14000/dir") }
    }

    /// The file by which its certificates are verified.
    fn root(&self, world: &Machine, folder: &Path) -> PathBuf {
        let root = folder.join("root.pem");
        let pem = eventually("pebble to answer", SOON, || {
            let mut curl = world.command("curl");
            curl.args(["--silent", "--fail", "--cacert"]).arg(self.ca.certificate());
            let got = said(curl.arg(format!("https://{WORLD}:15000/roots/0")), b"");
            (got.code == 0).then_some(got.out)
        });
        fs::write(&root, pem).unwrap();
        root
    }
}

/// What the operator of a domain does: a zone with SOA and NS, and below it what was printed, as it is.
fn zone_file(folder: &Path, name: &str, records: &str) -> PathBuf {
    let file = folder.join(format!("{name}zone"));
    let head =
        format!("$ORIGIN {name}\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A {WORLD}\n");
    fs::write(&file, format!("{head}{records}\n")).unwrap();
    let checked = said(Command::new("kzonecheck").args(["-v", "-o", name]).arg(&file), b"");
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    assert!(
        !checked.out.contains("warning") && !checked.err.contains("warning"),
        "{}{}",
        checked.out,
        checked.err
    );
    file
}

/// What whoever gave out the addresses does: the records that the operator asked for.
fn reverse(made: &[&Made]) -> String {
    let lines = made.iter().flat_map(|made| made.zone.lines());
    let asked: Vec<&str> =
        lines.filter(|line| line.contains(" IN PTR ")).filter_map(|line| line.strip_prefix("; ")).collect();
    assert_eq!(asked.len(), made.len());
    asked.join("\n")
}

fn knot(world: &Machine, folder: &Path, made: &[&Made]) -> Process {
    let mut zones = vec![(".".to_owned(), zone_file(folder, ".", ""))];
    zones.push(("11.in-addr.arpa.".to_owned(), zone_file(folder, "11.in-addr.arpa.", &reverse(made))));
    for made in made {
        let name = format!("{}.", made.domain);
        zones.push((name.clone(), zone_file(folder, &name, &made.zone)));
    }
    let mut entries = String::new();
    for (name, file) in &zones {
        let _ = writeln!(entries, "  - domain: \"{name}\"\n    file: \"{}\"", file.display());
    }
    let path = folder.display();
    let config = format!(
        "server:\n    rundir: \"{path}\"\n    listen: {WORLD}@53\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n    user: root\n\
         log:\n  - target: stderr\n    any: warning\ndatabase:\n    storage: \"{path}/db\"\n\
         template:\n  - id: default\n    journal-content: none\n    zonefile-sync: -1\nzone:\n{entries}"
    );
    fs::create_dir(folder.join("db")).unwrap();
    fs::write(folder.join("knot.conf"), config).unwrap();
    let mut command = world.command("/usr/sbin/knotd");
    command.arg("--config").arg(folder.join("knot.conf"));
    let process = Process::start("knotd", command, &folder.join("knot.log"));
    eventually_true("Knot to answer", SOON, || {
        let asked =
            world.run(&["kdig", &format!("@{WORLD}"), "+short", "+retry=0", "+time=1", "example.org", "MX"]);
        asked.out.contains("mail.example.org.")
    });
    process
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    // The servers run as somebody else.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// The fields of a mail on one line each.
fn unfolded(mail: &str) -> String {
    mail.replace("\r\n\t", " ").replace("\r\n ", " ")
}

#[test]
fn quickstart_followed_literally_ends_in_servers_that_believe_each_other() {
    let began = Instant::now();
    let folder = folder();
    let folder = folder.path();
    let (world, new) = machines(folder);
    let pebble = Pebble::start(&world, folder);
    let root = pebble.root(&world, folder);
    let (here, there) = (
        quickstart(&new, folder, "example.org", &pebble),
        quickstart(&world, folder, "example.net", &pebble),
    );
    let _knot = knot(&world, folder, &[&here, &there]);
    let servers = [here.serve(&new, folder), there.serve(&world, folder)];
    for server in &servers {
        eventually_true("a certificate", SOON, || server.printed().contains("certificate obtained"));
    }
    here.send(&new, "you@example.net", "out");
    there.send(&world, "postmaster@example.org", "in");
    for (mail, from) in
        [(there.first_mail(&world, &root), "example.org"), (here.first_mail(&new, &root), "example.net")]
    {
        let mail = unfolded(&mail);
        let results = mail
            .lines()
            .find(|line| line.starts_with("Authentication-Results: "))
            .unwrap_or_else(|| panic!("{mail}"));
        for verdict in ["spf=pass", "dmarc=pass", "iprev=pass", &format!("dkim=pass header.d={from}")] {
            assert!(results.contains(verdict), "{verdict}: {results}");
        }
        assert_eq!(results.matches("dkim=pass").count(), 2, "{results}");
    }
    // Each name that the records lead here is in the certificate, and answered.
    for (url, word) in [
        ("https://mta-sts.example.org/.well-known/mta-sts.txt", "mx: mail.example.org"),
        (
            "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=you@example.org",
            "<hostname>mail.example.org</hostname>",
        ),
    ] {
        let got = world.must(&["curl", "--silent", "--fail", "--cacert", root.to_str().unwrap(), url]);
        assert!(got.contains(word), "{url}: {got}");
    }
    here.is_healthy(&new, &root);
    there.is_healthy(&world, &root);
    // The same command again shows the same records, and changes nothing.
    let before = fs::read_to_string(&here.config).unwrap();
    let again = said(
        new.command(binary())
            .args(["quickstart", "you@example.org", "--yes", "--user", "nobody", "--config"])
            .arg(&here.config),
        b"",
    );
    assert_eq!((again.code, again.out), (0, here.zone.clone()), "{}", again.err);
    assert_eq!(fs::read_to_string(&here.config).unwrap(), before);
    assert!(began.elapsed() < Duration::from_mins(5), "{:?}", began.elapsed());
}

#[test]
fn without_a_public_address_or_a_right_to_its_places_nothing_is_written() {
    let folder = folder();
    let config = folder.path().join("postrider.toml");
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--net", "--"])
        .arg(binary())
        .args(["quickstart", "you@example.org", "--yes", "--user", "nobody", "--config"])
        .arg(&config);
    let refused = said(unshare.stdin(Stdio::null()), b"");
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(
        refused.err.contains("no public address") && refused.err.contains("--address"),
        "{}",
        refused.err
    );
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(binary());
    setpriv
        .args(["quickstart", "you@example.org", "--yes", "--address", "192.0.2.1", "--config"])
        .arg(&config);
    let refused = said(&mut setpriv, b"");
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("permission denied"), "{}", refused.err);
    assert!(refused.err.contains("hint: run it as root"), "{}", refused.err);
    assert!(!config.exists());
}
