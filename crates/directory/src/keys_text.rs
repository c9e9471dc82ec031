//! SCRAM keys as a text: `SCRAM-SHA-256$10000:salt$stored-key:server-key`, the form that PostgreSQL keeps its own in.

use sasl::{ScramKeys, base64};

const MECHANISM: &str = "SCRAM-SHA-256";

pub(crate) fn write(keys: &ScramKeys) -> String {
    let ScramKeys { salt, iterations, stored_key, server_key } = keys;
    let (salt, stored, server) =
        (base64::encode(salt), base64::encode(stored_key), base64::encode(server_key));
    format!("{MECHANISM}${iterations}:{salt}${stored}:{server}")
}

pub(crate) fn read(text: &str) -> Option<ScramKeys> {
    let (first, keys) = text.strip_prefix(MECHANISM)?.strip_prefix('$')?.split_once('$')?;
    let ((iterations, salt), (stored, server)) = (first.split_once(':')?, keys.split_once(':')?);
    let key = |text: &str| base64::decode(text.as_bytes())?.try_into().ok();
    Some(ScramKeys {
        salt: base64::decode(salt.as_bytes())?.into(),
        iterations: iterations.parse().ok()?,
        stored_key: key(stored)?,
        server_key: key(server)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        let keys = ScramKeys::derive("tiger", b"salt", 4096);
        let text = write(&keys);
        assert!(text.starts_with("SCRAM-SHA-256$4096:c2FsdA==$"), "{text}");
        assert_eq!(read(&text), Some(keys));
        for wrong in
            ["", "SCRAM-SHA-1$1:a$b:c", "SCRAM-SHA-256$4096:c2FsdA==", "SCRAM-SHA-256$x:c2FsdA==$AA==:AA=="]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
