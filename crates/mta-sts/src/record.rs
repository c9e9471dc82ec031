//! The TXT record that says that there is a policy (RFC 8461 §3.1).

/// What a record begins with that is meant.
const VERSION: &str = "v=STSv1";
/// Characters of an id (RFC 8461 §3.1).
const ID_MAX: usize = 32;

/// The id of the policy that the TXT records of a domain tell of, each with its strings joined. None: no usable policy (RFC 8461 §3.1): no record that
/// begins so, more than one, or one that is no such record.
pub fn id_of<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let texts = records.into_iter().filter_map(|record| str::from_utf8(record).ok());
    let mut meant = texts.filter_map(|text| text.strip_prefix(VERSION)).filter(|rest| begins_field(rest));
    let record = meant.next()?;
    if meant.next().is_some() {
        return None;
    }
    let mut id = None;
    for field in record.split(';').skip(1).map(|field| field.trim_matches([' ', '\t'])) {
        // One may end the record.
        if field.is_empty() {
            continue;
        }
        let (name, value) = field.split_once('=')?;
        if !is_name(name) || !is_value(value) {
            return None;
        }
        // Of two the first counts.
        if name == "id" && id.is_none() {
            let is_id = value.len() <= ID_MAX && value.bytes().all(|octet| octet.is_ascii_alphanumeric());
            id = Some(value.to_owned()).filter(|_| is_id);
            id.as_ref()?;
        }
    }
    id
}

fn begins_field(rest: &str) -> bool {
    rest.trim_start_matches([' ', '\t']).starts_with(';')
}

fn is_name(name: &str) -> bool {
    let mut octets = name.bytes();
    octets.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() <= 32
        && octets.all(|octet| octet.is_ascii_alphanumeric() || b"_-.".contains(&octet))
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_tells_the_id() {
        let long = "a".repeat(33);
        #[rustfmt::skip]
        let cases: [(&[&str], Option<&str>); 18] = [
            (&["v=STSv1; id=20160831085700Z;"], Some("20160831085700Z")),
            (&["v=STSv1;id=1"], Some("1")),
            (&["v=STSv1 ; id=1 ; "], Some("1")),
            (&["v=STSv1; a=b; id=1; id=2"], Some("1")),
            (&["v=spf1 -all", "v=STSv1; id=1"], Some("1")),
            (&["v=STSv12; id=1", "v=STSv1; id=2"], Some("2")),
            (&["v=STSv1; id=1", "v=STSv1; id=1"], None),
            (&["v=STSv1"], None),
            (&["v=STSv1;"], None),
            (&["v=stsv1; id=1"], None),
            (&[" v=STSv1; id=1"], None),
            (&["id=1; v=STSv1"], None),
            (&["v=STSv1; id=a-b"], None),
            (&["v=STSv1; id="], None),
            (&["v=STSv1; id"], None),
            (&["v=STSv1; id=1; x=a b"], None),
            (&["v=STSv1; id=1; \u{fc}=1"], None),
            (&[], None),
        ];
        for (records, id) in cases {
            assert_eq!(id_of(records.iter().map(|record| record.as_bytes())).as_deref(), id, "{records:?}");
        }
        assert_eq!(id_of([format!("v=STSv1; id={long}").as_bytes()]), None);
        assert_eq!(id_of([&b"v=STSv1; id=\xff"[..]]), None);
    }
}
