//! OpenLDAP as a directory: a server of the test's own, with people in it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::authority::Authority;
use crate::loopback::Loopback;
use crate::process::Process;
use crate::tool::{run, said};
use crate::wait::eventually_true;

/// The host of the net where it listens.
const HOST: u8 = 250;
const SUFFIX: &str = "dc=far,dc=test";
const ADMIN: &str = "cn=admin,dc=far,dc=test";
const ADMIN_PASSWORD: &str = "administrator";

/// A directory: it outlives the runs of its server.
#[derive(Debug)]
pub struct Slapd {
    process: Option<Process>,
    folder: TempDir,
    authority: Authority,
    clear: SocketAddr,
    secure: SocketAddr,
}

impl Slapd {
    /// As whom a mail server may search.
    pub const READER: &'static str = "cn=reader,dc=far,dc=test";
    /// Its password.
    pub const READER_PASSWORD: &'static str = "let me read";
    /// Below which entry people are.
    pub const BASE: &'static str = "ou=people,dc=far,dc=test";

    /// Starts a server with these entries, in LDIF, beside those that there have to be.
    pub fn start(net: &Loopback, entries: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let host = net.host(HOST);
        let (clear, secure) = ((host, net.port()).into(), (host, net.port()).into());
        let mut slapd = Self { process: None, folder, authority: Authority::new(), clear, secure };
        let path = |name: &str| slapd.folder.path().join(name);
        fs::create_dir(path("db")).unwrap();
        let pair = slapd.authority.issue(&host.to_string(), "slapd");
        fs::write(path("slapd.conf"), configuration(slapd.folder.path(), &pair.certificate, &pair.key))
            .unwrap();
        fs::write(path("people.ldif"), format!("{}\n{entries}", tree())).unwrap();
        let (config, ldif) =
            (path("slapd.conf").display().to_string(), path("people.ldif").display().to_string());
        run("/usr/sbin/slapadd", &["-q", "-f", &config, "-l", &ldif], b"");
        slapd.start_again();
        slapd
    }

    /// Starts the server again that was stopped, or killed.
    pub fn start_again(&mut self) {
        let mut command = Command::new("/usr/sbin/slapd");
        command.arg("-f").arg(self.folder.path().join("slapd.conf"));
        command.arg("-h").arg(format!("{} {}", self.clear_url(), self.secure_url())).args(["-d", "stats"]);
        let mut process = Process::start("slapd", command, &self.folder.path().join("log"));
        let whoami = || {
            let mut command = self.tool("ldapwhoami");
            said(&mut command, b"").code == 0
        };
        eventually_true("slapd to answer", Duration::from_secs(30), || {
            assert!(process.ended().is_none(), "slapd ended: {}", process.printed());
            whoami()
        });
        self.process = Some(process);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Where it speaks in clear, until StartTLS.
    pub fn clear_url(&self) -> String {
        format!("ldap://{}", self.clear)
    }

    /// Where TLS comes first.
    pub fn secure_url(&self) -> String {
        format!("ldaps://{}", self.secure)
    }

    /// The file by which its certificate is verified.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// Adds, changes or removes entries, in LDIF.
    pub fn modify(&self, ldif: &str) {
        let mut command = self.tool("ldapmodify");
        let said = said(command.arg("-a"), ldif.as_bytes());
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }

    /// What it printed in all its runs: with `-d stats` each operation.
    pub fn printed(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A program of OpenLDAP, bound as who may do all.
    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("LDAPTLS_CACERT", self.authority.certificate());
        command.args(["-x", "-H", &self.secure_url(), "-D", ADMIN, "-w", ADMIN_PASSWORD]);
        command
    }
}

/// Somebody, in LDIF. `more`: lines such as `mail: anna@far.test`.
pub fn person(uid: &str, password: &str, more: &[&str]) -> String {
    let more: String = more.iter().flat_map(|line| [line, "\n"]).collect();
    format!(
        "dn: uid={uid},{}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\nuserPassword: {password}\n{more}\n",
        Slapd::BASE
    )
}

fn tree() -> String {
    format!(
        "dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: far\ndc: far\n\n\
         dn: {}\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: {}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: {}\n",
        Slapd::BASE,
        Slapd::READER,
        Slapd::READER_PASSWORD
    )
}

/// No password goes over it in clear, only the reader sees people, and nobody gets more than a few without pages.
fn configuration(folder: &Path, certificate: &Path, key: &Path) -> String {
    let (folder, certificate, key) = (folder.display(), certificate.display(), key.display());
    format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n\
         modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {folder}/pid\nargsfile {folder}/args\n\
         TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\nTLSVerifyClient never\n\
         security simple_bind=64\nsizelimit size.soft=20 size.hard=20 size.prtotal=unlimited\n\
         database mdb\nsuffix \"{SUFFIX}\"\nrootdn \"{ADMIN}\"\nrootpw {ADMIN_PASSWORD}\ndirectory {folder}/db\n\
         maxsize 268435456\nindex objectClass,uid,mail eq\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact=\"{}\" read by self read by * none\n",
        Slapd::READER
    )
}
