//! Glewlwyd, an identity provider (OAuth 2.0 and `OpenID` Connect), with a database, keys and people of its own.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::loopback::Loopback;
use crate::process::Process;
use crate::tool::{run, said};
use crate::wait::eventually_true;

/// The host of the net where it listens.
const HOST: u8 = 251;
/// What its package makes a database of.
const TABLES: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";
const MAKE_DATABASE: &str =
    "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())";
/// The one who may change everything, in a database that is new.
const ADMIN: &str = r#"{"username":"admin","password":"password"}"#;
/// Everybody's password there.
const PASSWORD: &str = "tigertiger";

/// A running provider. It has the scope `smtp`, and a client `mail` whose secret is `hush`.
#[derive(Debug)]
pub struct Glewlwyd {
    process: Option<Process>,
    folder: TempDir,
    authority: Authority,
    address: SocketAddr,
}

impl Glewlwyd {
    /// Starts it with these people, whose names there are their addresses.
    pub fn start(net: &Loopback, people: &[&str]) -> Self {
        let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
        let address = (net.host(HOST), net.port()).into();
        let mut provider = Self { process: None, folder, authority, address };
        let pair = provider.authority.issue(&net.host(HOST).to_string(), "glewlwyd");
        let (database, config) = (provider.path("glewlwyd.db"), provider.path("glewlwyd.conf"));
        run("python3", &["-c", MAKE_DATABASE, &database.display().to_string(), TABLES], b"");
        let text =
            configuration(address, &pair.key.display(), &pair.certificate.display(), &database.display());
        fs::write(config, text).expect("a file");
        provider.go_on();
        provider.admin("auth/", ADMIN);
        provider.sign();
        let scope = json!({ "name": "smtp", "display_name": "smtp", "password_required": true, "password_max_age": 0,
            "scheme": {}, "scheme_required": {} });
        provider.admin("scope/", &scope.to_string());
        let client = json!({ "client_id": "mail", "name": "mail", "password": "hush", "confidential": true,
            "enabled": true, "authorization_type": ["password", "client_credentials"], "scope": ["smtp"],
            "redirect_uri": ["https://here.test/"], "token_endpoint_auth_method": ["client_secret_basic"] });
        provider.admin("client/", &client.to_string());
        for name in people {
            let user = json!({ "username": name, "name": name, "email": name, "password": PASSWORD, "enabled": true,
                "scope": ["smtp", "openid"] });
            provider.admin("user/", &user.to_string());
        }
        provider
    }

    /// Ends it; what it knows stays.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again.
    pub fn go_on(&mut self) {
        let mut command = Command::new("glewlwyd");
        command.arg(format!("--config-file={}", self.path("glewlwyd.conf").display()));
        let mut process = Process::start("glewlwyd", command, &self.path("log"));
        eventually_true("glewlwyd to answer", Duration::from_secs(30), || {
            assert!(process.ended().is_none(), "glewlwyd ended: {}", process.printed());
            said(self.curl().args(["--output", "/dev/null", &self.url("config")]), b"").code == 0
        });
        self.process = Some(process);
    }

    /// Makes it sign tokens, with a key that is new.
    fn sign(&self) {
        let key = KeyPair::generate().expect("a key");
        let parameters = json!({
            "iss": self.issuer(), "jwt-type": "ecdsa", "jwt-key-size": "256", "key": key.serialize_pem(),
            "cert": key.public_key_pem(), "access-token-duration": 600, "refresh-token-duration": 600,
            "code-duration": 600, "refresh-token-rolling": false, "allow-non-oidc": true, "subject-type": "public",
            "auth-type-password-enabled": true, "auth-type-client-enabled": true, "jwks-show": true,
            "introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true,
            "additional-parameters": [{ "user-parameter": "email", "token-parameter": "email" }],
        });
        let plugin =
            json!({ "module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": parameters });
        self.admin("mod/plugin/", &plugin.to_string());
    }

    /// A token for somebody, got as a mail client's user would.
    pub fn token(&self, name: &str, scope: &str) -> String {
        let form = format!("grant_type=password&username={name}&password={PASSWORD}&scope={scope}");
        let mut curl = self.curl();
        curl.args(["--user", "mail:hush", "--data", &form.replace('@', "%40"), &self.url("oidc/token")]);
        let said = said(&mut curl, b"");
        assert_eq!(said.code, 0, "no token: {}{}", said.out, said.err);
        let answer: Value = serde_json::from_str(&said.out).expect("JSON");
        answer.get("access_token").and_then(Value::as_str).expect("a token").to_owned()
    }

    /// Takes a token back.
    pub fn revoke(&self, token: &str) {
        let mut curl = self.curl();
        let form = format!("token={token}&token_type_hint=access_token");
        curl.args(["--user", "mail:hush", "--data", &form, &self.url("oidc/revoke")]);
        let said = said(&mut curl, b"");
        assert_eq!(said.code, 0, "not revoked: {}{}", said.out, said.err);
    }

    /// The file with the secret of its client `mail`.
    pub fn client_secret(&self) -> PathBuf {
        let file = self.path("client.secret");
        fs::write(&file, "hush\n").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
        file
    }

    /// What its tokens have as `iss`.
    pub fn issuer(&self) -> String {
        self.url("oidc")
    }

    /// The file by which it is verified.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// Asks for something as the one who may.
    fn admin(&self, path: &str, what: &str) {
        let mut curl = self.as_admin();
        curl.args(["--header", "Content-Type: application/json", "--data", what, &self.url(path)]);
        let said = said(&mut curl, b"");
        assert_eq!(said.code, 0, "{path}: {}{}", said.out, said.err);
    }

    fn as_admin(&self) -> Command {
        let mut curl = self.curl();
        let jar = self.path("cookies").display().to_string();
        curl.args(["--cookie", &jar, "--cookie-jar", &jar]);
        curl
    }

    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "10", "--cacert"]);
        curl.arg(self.authority.certificate());
        curl
    }

    fn url(&self, path: &str) -> String {
        if path == "config" {
            return format!("https://{}/config", self.address);
        }
        format!("https://{}/api/{path}", self.address)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn configuration(
    address: SocketAddr,
    key: &impl std::fmt::Display,
    certificate: &impl std::fmt::Display,
    database: &impl std::fmt::Display,
) -> String {
    let (host, port) = (address.ip(), address.port());
    let modules: String = [
        ("user_module_path", "user"),
        ("user_middleware_module_path", "user_middleware"),
        ("client_module_path", "client"),
        ("user_auth_scheme_module_path", "scheme"),
        ("plugin_module_path", "plugin"),
    ]
    .map(|(name, folder)| format!("{name}=\"/usr/lib/glewlwyd/{folder}\"\n"))
    .concat();
    format!(
        "port={port}\nbind_address=\"{host}\"\nexternal_url=\"https://{address}\"\nlogin_url=\"login.html\"\n\
         api_prefix=\"api\"\nstatic_files_path=\"/usr/share/glewlwyd/webapp/\"\nlog_mode=\"console\"\n\
         log_level=\"WARNING\"\ncookie_domain=\"{host}\"\ncookie_secure=1\nhash_algorithm=\"SHA512\"\n{modules}\
         use_secure_connection=true\nsecure_connection_key_file=\"{key}\"\n\
         secure_connection_pem_file=\"{certificate}\"\n\
         database = {{ type = \"sqlite3\"; path = \"{database}\"; }};\n"
    )
}
