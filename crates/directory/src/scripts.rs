//! Names that mix scripts to look like others (UTS #39 §5).

use icu_properties::{
    props::Script,
    script::{ScriptWithExtensions, ScriptWithExtensionsBorrowed},
};
use mail::Domain;

/// Scripts that are written together: Japanese, Korean, and Chinese with Bopomofo (UTS #39 §5.1).
const TOGETHER: [&[Script]; 3] = [
    &[Script::Han, Script::Hiragana, Script::Katakana],
    &[Script::Han, Script::Hangul],
    &[Script::Han, Script::Bopomofo],
];

/// Whether a label of the domain, with A-labels decoded, is less than highly restrictive (UTS #39 §5.2): of more than one script, other
/// than those that are written together and Latin with them. Large receivers refuse such domains.
pub fn mixes_scripts(domain: &Domain) -> bool {
    let Domain::Name(name) = domain else { return false };
    if name.is_ascii() && !name.split('.').any(|label| label.starts_with("xn--")) {
        return false;
    }
    let (shown, _) = idna::domain_to_unicode(name);
    shown.split('.').any(|label| !label.is_ascii() && !is_highly_restrictive(label))
}

fn is_highly_restrictive(label: &str) -> bool {
    let scripts = ScriptWithExtensions::new();
    let first = label.chars().find(|c| !is_everywhere(scripts, *c));
    let Some(first) = first else { return true };
    // What a whole label is of, its first letter is of.
    let of_one = scripts
        .get_script_extensions_val(first)
        .iter()
        .any(|script| label.chars().all(|c| is_of(scripts, c, &[script])));
    let with_latin = |group: &&[Script]| {
        label.chars().all(|c| is_of(scripts, c, group) || is_of(scripts, c, &[Script::Latin]))
    };
    of_one || TOGETHER.iter().any(with_latin)
}

/// Digits, hyphens and marks are of all scripts.
fn is_everywhere(scripts: ScriptWithExtensionsBorrowed<'_>, c: char) -> bool {
    scripts.has_script(c, Script::Common) || scripts.has_script(c, Script::Inherited)
}

fn is_of(scripts: ScriptWithExtensionsBorrowed<'_>, c: char, group: &[Script]) -> bool {
    is_everywhere(scripts, c) || group.iter().any(|script| scripts.has_script(c, *script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_mixtures() {
        for (name, mixed) in [
            ("example.org", false),
            ("b\u{fc}cher.example", false),
            ("xn--bcher-kva.example", false),
            ("\u{43f}\u{43e}\u{447}\u{442}\u{430}.example", false),
            ("\u{43f}\u{43e}\u{447}\u{442}\u{430}-24.example", false),
            // Kanji, kana and Latin; Hangul and Latin; Greek.
            ("\u{65e5}\u{672c}\u{306e}\u{30e1}\u{30fc}\u{30eb}web.example", false),
            ("\u{d55c}\u{ad6d}web.example", false),
            ("\u{3b1}\u{3b2}.example", false),
            // Latin with a Cyrillic a, as it stands and as an A-label; Latin with Greek; Cyrillic with Greek.
            ("p\u{430}ypal.example", true),
            ("xn--pypal-4ve.example", true),
            ("exampl\u{3b5}.example", true),
            ("\u{43f}\u{3b1}.example", true),
        ] {
            assert_eq!(mixes_scripts(&Domain::parse(name).unwrap()), mixed, "{name}");
        }
        assert!(!mixes_scripts(&Domain::parse("[192.0.2.1]").unwrap()));
    }
}
