//! Signatures of transactions with a shared key (RFC 8945), by HMAC-SHA256.

use aws_lc_rs::hmac;

use crate::config::TsigKey;
use crate::message::{Answer, Found, code_word, put_name, put_u16};

const TSIG: u16 = 250;
const ANY: u16 = 255;
/// RFC 8945 §6. The name of the algorithm.
const ALGORITHM: &str = "hmac-sha256";
/// How far the two clocks may be apart, in seconds (RFC 8945 §10: recommended).
const FUDGE: u16 = 300;
/// ADCOUNT in the header.
const ADDITIONAL: std::ops::Range<usize> = 10..12;

/// Signs a message that has nothing in its additional section. Gives the signature too: the answer is bound to it. None: the key's name
/// is too long.
pub(crate) fn sign(message: &[u8], key: &TsigKey, now: u64) -> Option<(Vec<u8>, Vec<u8>)> {
    let id = message.get(..2)?;
    let fields = Fields { time: now, fudge: FUDGE, error: 0, other: &[] };
    let mac = mac(&[message], key, &fields)?;
    let mut data = Vec::new();
    put_name(&mut data, ALGORITHM)?;
    fields.put_times(&mut data);
    put_u16(&mut data, u16::try_from(mac.len()).ok()?);
    data.extend_from_slice(&mac);
    data.extend_from_slice(id);
    put_u16(&mut data, 0);
    put_u16(&mut data, 0);
    let mut signed = message.to_vec();
    signed.get_mut(ADDITIONAL)?.copy_from_slice(&[0, 1]);
    put_name(&mut signed, &key.name)?;
    put_u16(&mut signed, TSIG);
    put_u16(&mut signed, ANY);
    signed.extend_from_slice(&[0; 4]);
    put_u16(&mut signed, u16::try_from(data.len()).ok()?);
    signed.extend_from_slice(&data);
    Some((signed, mac))
}

/// Whether an answer is signed with the key and says that all was done.
pub(crate) fn verify(
    octets: &[u8],
    id: u16,
    key: &TsigKey,
    request_mac: &[u8],
    now: u64,
) -> Result<(), String> {
    let answer = Answer::read(octets, id)?;
    // RFC 8945 §5.1: the last one of all.
    let Some(record) = answer.records.last().filter(|record| record.kind == TSIG) else {
        answer.is_done()?;
        return Err("its answer is not signed".to_owned());
    };
    let signature = Signature::read(record).ok_or("its signature is garbled")?;
    // RFC 8945 §5.3.2: what is wrong with our signature comes without one of theirs.
    if signature.fields.error != 0 {
        let word = code_word(u8::try_from(signature.fields.error).unwrap_or(u8::MAX));
        let hint = match signature.fields.error {
            16 | 17 => "are name and secret of the key right?",
            18 => "is the clock right, here and there?",
            _ => "the signature was not taken",
        };
        return Err(format!("refused with {} ({word}): {hint}", code_word(answer.code)));
    }
    // The answer as it was before it was signed (RFC 8945 §4.3.2).
    let mut message = octets.get(..record.at).unwrap_or_default().to_vec();
    let count =
        message.get(ADDITIONAL).map_or(0, |octets| octets.iter().fold(0_u16, |n, o| n << 8 | u16::from(*o)));
    if let Some(place) = message.get_mut(ADDITIONAL) {
        place.copy_from_slice(&count.saturating_sub(1).to_be_bytes());
    }
    if let Some(place) = message.get_mut(..2) {
        place.copy_from_slice(&signature.id.to_be_bytes());
    }
    let length = u16::try_from(request_mac.len()).unwrap_or(u16::MAX).to_be_bytes();
    let expected = mac(&[&length, request_mac, &message], key, &signature.fields);
    let same = |expected: Vec<u8>| {
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected, signature.mac).is_ok()
    };
    if !key_is(&record.owner, &key.name) || !expected.is_some_and(same) {
        return Err("its answer is signed by somebody else".to_owned());
    }
    if signature.fields.time.abs_diff(now) > u64::from(signature.fields.fudge) {
        return Err("its answer is signed at another time: is the clock right, here and there?".to_owned());
    }
    answer.is_done()
}

fn key_is(owner: &str, name: &str) -> bool {
    owner.eq_ignore_ascii_case(name.strip_suffix('.').unwrap_or(name))
}

/// What is signed beside the message (RFC 8945 §4.3.3).
struct Fields<'a> {
    time: u64,
    fudge: u16,
    error: u16,
    other: &'a [u8],
}

impl Fields<'_> {
    fn put_times(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.time.to_be_bytes().get(2..).unwrap_or_default());
        put_u16(to, self.fudge);
    }
}

fn mac(message: &[&[u8]], key: &TsigKey, fields: &Fields<'_>) -> Option<Vec<u8>> {
    let mut variables = Vec::new();
    put_name(&mut variables, &key.name)?;
    put_u16(&mut variables, ANY);
    variables.extend_from_slice(&[0; 4]);
    put_name(&mut variables, ALGORITHM)?;
    fields.put_times(&mut variables);
    put_u16(&mut variables, fields.error);
    put_u16(&mut variables, u16::try_from(fields.other.len()).ok()?);
    variables.extend_from_slice(fields.other);
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key.secret));
    for part in message {
        context.update(part);
    }
    context.update(&variables);
    Some(context.sign().as_ref().to_vec())
}

/// The data of a TSIG record (RFC 8945 §4.2).
struct Signature<'a> {
    fields: Fields<'a>,
    mac: &'a [u8],
    id: u16,
}

impl<'a> Signature<'a> {
    fn read(record: &Found<'a>) -> Option<Self> {
        let mut algorithm = Vec::new();
        put_name(&mut algorithm, ALGORITHM)?;
        let (name, rest) = record.data.split_at_checked(algorithm.len())?;
        // RFC 8945 §4.2: class and time to live are always these.
        if !name.eq_ignore_ascii_case(&algorithm) || (record.class, record.ttl) != (ANY, 0) {
            return None;
        }
        let (time, rest) = rest.split_at_checked(6)?;
        let time = time.iter().fold(0, |time, octet| time << 8 | u64::from(*octet));
        let (fudge, rest) = number(rest)?;
        let (length, rest) = number(rest)?;
        let (mac, rest) = rest.split_at_checked(usize::from(length))?;
        let (id, rest) = number(rest)?;
        let (error, rest) = number(rest)?;
        let (length, rest) = number(rest)?;
        let other = Some(rest).filter(|other| other.len() == usize::from(length))?;
        Some(Self { fields: Fields { time, fudge, error, other }, mac, id })
    }
}

fn number(octets: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = octets.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_456_934;

    fn key() -> TsigKey {
        TsigKey { name: "Acme.key.".into(), secret: b"a secret of thirty-two octets ...".to_vec() }
    }

    /// What a server would say to a signed request, with its own code and key.
    fn answer(code: u8, key: &TsigKey, request_mac: &[u8], time: u64) -> Vec<u8> {
        let mut message = crate::message::header(9, 5, [0, 0, 0, 0]);
        message[2] |= 0x80;
        message[3] |= code;
        let fields = Fields { time, fudge: FUDGE, error: 0, other: &[] };
        let length = u16::try_from(request_mac.len()).unwrap().to_be_bytes();
        let mac = mac(&[&length, request_mac, &message], key, &fields).unwrap();
        let (signed, wrong) = sign(&message, key, time).unwrap();
        let at = signed.windows(wrong.len()).position(|part| part == wrong).unwrap();
        [&signed[..at], &mac, &signed[at + mac.len()..]].concat()
    }

    #[test]
    fn an_answer_counts_only_if_it_is_signed_for_this_request() {
        let request = crate::message::header(9, 5, [1, 0, 0, 0]);
        let (signed, mac) = sign(&request, &key(), NOW).unwrap();
        assert_eq!(signed[10..12], [0, 1]);
        let told = |answer: &[u8]| verify(answer, 9, &key(), &mac, NOW);
        assert_eq!(told(&answer(0, &key(), &mac, NOW + 299)), Ok(()));
        assert_eq!(told(&answer(5, &key(), &mac, NOW)), Err("refused with REFUSED".into()));
        let other = TsigKey { secret: b"other".to_vec(), ..key() };
        for wrong in [
            answer(0, &other, &mac, NOW),
            answer(0, &key(), b"another request", NOW),
            answer(0, &TsigKey { name: "b.key".into(), ..key() }, &mac, NOW),
        ] {
            assert_eq!(told(&wrong), Err("its answer is signed by somebody else".into()));
        }
        assert!(told(&answer(0, &key(), &mac, NOW - 301)).unwrap_err().contains("clock"));
        let mut unsigned = request.clone();
        unsigned[2] |= 0x80;
        unsigned[5] = 0;
        assert_eq!(told(&unsigned), Err("its answer is not signed".into()));
        unsigned[3] |= 9;
        assert_eq!(told(&unsigned), Err("refused with NOTAUTH".into()));
        let good = answer(0, &key(), &mac, NOW);
        for end in 0..good.len() {
            assert!(told(&good[..end]).is_err(), "{end}");
        }
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            assert!(told(&changed).is_err(), "{at}");
        }
    }
}
