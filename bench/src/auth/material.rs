//! What is signed with, and what the DNS says of it: one RSA key of 2048 bits for all.

use crate::Failure;
use crate::content::Content;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The domain of all mail of the bench.
pub(super) const DOMAIN: &str = "source.test";
pub(super) const SELECTOR: &str = "b1";
/// By dkimpy, over fields that are the same in all messages: the number is in another one.
const SIGN: &str = "\
import sys, dkim
fields = [b'from', b'to', b'subject', b'date', b'mime-version', b'content-type']
sys.stdout.buffer.write(dkim.sign(sys.stdin.buffer.read(), b'b1', b'source.test', open(sys.argv[1], 'rb').read(),
    canonicalize=(b'relaxed', b'relaxed'), include_headers=fields))
";

/// The key, a signature of it, and the records of the domain.
#[derive(Debug)]
pub(super) struct Material {
    /// PKCS#8.
    pub(super) key: PathBuf,
    /// `p=` of the record.
    public: String,
    /// The field that all messages of strangers have.
    pub(super) signature: String,
}

impl Material {
    pub(super) fn make(dir: &Path, size: usize) -> Result<Self, Failure> {
        let (old, key) = (dir.join("old.pem"), dir.join("dkim.pem"));
        // dkimpy reads the older form of keys alone.
        piped(Command::new("openssl").args(["genrsa", "-traditional", "-out"]).arg(&old).arg("2048"), b"")?;
        piped(
            Command::new("openssl")
                .args(["pkcs8", "-topk8", "-nocrypt", "-in"])
                .arg(&old)
                .arg("-out")
                .arg(&key),
            b"",
        )?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        let public = piped(Command::new("openssl").args(["rsa", "-pubout", "-in"]).arg(&old), b"")?;
        let public: String = public.lines().filter(|line| !line.starts_with('-')).collect();
        let content = Content::new(size).ok_or("the size is below that of a header section")?;
        let message = content.with_end().strip_suffix(b".\r\n").unwrap_or_default();
        let mut python = Command::new("/usr/bin/python3");
        let signature = piped(python.args(["-c", SIGN]).arg(&old), message)?;
        Ok(Self { key, public, signature })
    }

    fn key_record(&self) -> String {
        format!("v=DKIM1; k=rsa; p={}", self.public)
    }

    /// The names below `DOMAIN` and their texts.
    pub(super) fn records(&self) -> Vec<(String, String)> {
        vec![
            (DOMAIN.to_owned(), "v=spf1 ip4:127.0.0.0/8 -all".to_owned()),
            (format!("_dmarc.{DOMAIN}"), "v=DMARC1; p=reject".to_owned()),
            (format!("{SELECTOR}._domainkey.{DOMAIN}"), self.key_record()),
        ]
    }

    /// As `OpenDKIM` reads keys where it is not to ask the DNS, which helps it.
    pub(super) fn key_file(&self, dir: &Path) -> Result<PathBuf, Failure> {
        let path = dir.join("keys");
        fs::write(&path, format!("{SELECTOR}._domainkey.{DOMAIN} {}\n", self.key_record()))?;
        Ok(path)
    }
}

/// What a program prints; an error when it fails.
fn piped(command: &mut Command, input: &[u8]) -> Result<String, Failure> {
    let program = command.get_program().display().to_string();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input)?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
