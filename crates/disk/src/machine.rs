//! Which machine this is.

/// Its name, and the beginning of the number that systemd or D-Bus gave it when it was set up (machine-id(5)): a line for people, the same after each start.
/// Machines that were cloned without a new number are told apart by their names alone.
pub fn this_machine() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let number = ["/etc/machine-id", "/var/lib/dbus/machine-id"].iter().find_map(number_in);
    number.map_or_else(|| name.clone(), |number| format!("{name} (machine {number})"))
}

fn number_in(path: impl AsRef<std::path::Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let number = text.trim();
    // It is not for everybody (machine-id(5)): its beginning tells machines apart well enough.
    number.get(..8).filter(|start| start.bytes().all(|octet| octet.is_ascii_hexdigit())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_and_the_same_each_time() {
        let machine = this_machine();
        assert!(!machine.is_empty() && !machine.contains('\n'), "{machine}");
        assert_eq!(machine, this_machine());
    }

    #[test]
    fn a_number_is_hexadecimal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine-id");
        for (text, number) in [("0123abcd9999\n", Some("0123abcd")), ("uninitialized\n", None), ("", None)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(number_in(&path).as_deref(), number);
        }
        assert_eq!(number_in(dir.path().join("none")), None);
    }
}
