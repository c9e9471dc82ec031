//! Tables of certificates, and what each question about them comes to.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

use super::*;
use crate::tls::Anchors;

/// 2026-06-01, between all that holds here.
const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

pub(crate) struct Authority(CertificateParams, KeyPair);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(params, KeyPair::generate().unwrap())
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.self_signed(&self.1).unwrap().der().clone()
    }

    fn roots(&self) -> Roots {
        Anchors::from_pem(self.0.self_signed(&self.1).unwrap().pem().as_bytes()).unwrap().roots().unwrap()
    }

    /// An authority below.
    pub(crate) fn below(&self, name: &str) -> (Self, CertificateDer<'static>) {
        let other = Self::new(name);
        let signed = other.0.signed_by(&other.1, &Issuer::from_params(&self.0, &self.1)).unwrap();
        let der = signed.der().clone();
        (other, der)
    }

    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let params = leaf(change);
        params
            .signed_by(&KeyPair::generate().unwrap(), &Issuer::from_params(&self.0, &self.1))
            .unwrap()
            .der()
            .clone()
    }
}

fn leaf(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
    change(&mut params);
    params
}

pub(crate) fn named(names: &[&str]) -> impl FnOnce(&mut CertificateParams) + use<> {
    let names: Vec<SanType> = names
        .iter()
        .map(|name| match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName((*name).try_into().unwrap()),
        })
        .collect();
    move |params| params.subject_alt_names = names
}

pub(crate) fn shown(chain: &[&CertificateDer<'static>]) -> Shown {
    Shown(chain.iter().map(|certificate| (*certificate).clone()).collect())
}

fn names(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

#[test]
fn an_authority_vouches_for_a_name() {
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let (middle, certified) = ours.below("middle");
    let good = ours.issue(named(&["mx.example.net", "*.pool.example.net", "192.0.2.1"]));
    let below = middle.issue(named(&["mx.example.net"]));
    let late = ours.issue(|params| {
        named(&["mx.example.net"])(params);
        params.not_after = date_time_ymd(2026, 2, 1);
    });
    let early = ours.issue(|params| {
        named(&["mx.example.net"])(params);
        params.not_before = date_time_ymd(2026, 7, 1);
    });
    let for_clients = ours.issue(|params| {
        named(&["mx.example.net"])(params);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let own =
        leaf(named(&["mx.example.net"])).self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
    let garbage = CertificateDer::from(b"garbage".to_vec());
    let strange = others.issue(named(&["mx.example.net"]));
    #[rustfmt::skip]
    let cases: [(&str, &[&CertificateDer<'static>], &[&str], &str); 20] = [
        ("the name", &[&good], &["mx.example.net"], ""),
        ("in other letters", &[&good], &["MX.Example.NET"], ""),
        ("one of several", &[&good], &["a.example", "mx.example.net"], ""),
        ("a wildcard", &[&good], &["a.pool.example.net"], ""),
        ("a wildcard is one label", &[&good], &["a.b.pool.example.net"], "is for *.pool.example.net, mx.example.net, not for"),
        ("all below", &[&good], &[".example.net"], ""),
        ("below is not the domain itself", &[&good], &[".mx.example.net"], "not for .mx.example.net"),
        ("below is not beside", &[&good], &[".ample.net"], "not for .ample.net"),
        ("an address", &[&good], &["[192.0.2.1]"], ""),
        ("another address", &[&good], &["[192.0.2.2]"], "not for [192.0.2.2]"),
        ("another name", &[&good], &["mx.example.com"], "not for mx.example.com"),
        ("no name", &[&good], &[""], "not for "),
        ("with an authority between", &[&below, &certified], &["mx.example.net"], ""),
        ("without it", &[&below], &["mx.example.net"], "no authority"),
        ("expired", &[&late], &["mx.example.net"], "has expired"),
        ("not yet", &[&early], &["mx.example.net"], "does not hold yet"),
        ("for clients", &[&for_clients], &["mx.example.net"], "no authority"),
        ("of its own", &[&own], &["mx.example.net"], "no authority"),
        ("of others", &[&strange, &others.der()], &["mx.example.net"], "no authority"),
        ("garbage", &[&garbage], &["mx.example.net"], "cannot be read"),
    ];
    for (what, chain, wanted, why) in cases {
        match shown(chain).is_certified(&ours.roots(), &names(wanted), NOW) {
            Ok(()) => assert_eq!(why, "", "{what}"),
            Err(error) => {
                let said = error.to_string();
                assert!(!why.is_empty() && said.contains(why), "{what}: {said}");
            }
        }
    }
    assert_eq!(shown(&[]).is_certified(&ours.roots(), &[], NOW), Err(Unproven::NoCertificate));
    assert!(shown(&[&good]).is_certified(&ours.roots(), &[], NOW).is_err(), "for nobody");
}

#[test]
fn a_fingerprint_is_of_the_certificate_or_of_its_key() {
    let key = KeyPair::generate().unwrap();
    let made = |change: fn(&mut CertificateParams)| leaf(change).self_signed(&key).unwrap().der().clone();
    let (one, renewed) = (made(|_| ()), made(|params| params.not_after = date_time_ymd(2025, 1, 1)));
    let other = leaf(|_| ()).self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
    let certificate = Fingerprint::Certificate(sha256(&one));
    let of_key = Fingerprint::PublicKey(sha256(&public_key(&one).unwrap()));
    assert_eq!(shown(&[&one]).fingerprint(), Some(certificate.to_string()));
    for (chain, known, is) in [
        (&one, certificate, true),
        (&one, of_key, true),
        (&renewed, certificate, false),
        (&renewed, of_key, true),
        (&other, certificate, false),
        (&other, of_key, false),
    ] {
        assert_eq!(shown(&[chain]).is_one_of(&[known]).is_ok(), is);
        let behind = shown(&[&other, chain]).is_one_of(&[known]);
        assert_eq!(behind, Err(Unproven::Fingerprint), "only the host's own counts");
    }
    assert_eq!(shown(&[]).is_one_of(&[certificate]), Err(Unproven::NoCertificate));
}

#[test]
fn fingerprints_are_read_as_they_are_written() {
    let digits = "3b5f2e0f6d1c8a7b94e2c05d6f7a8b9c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6";
    let pairs: Vec<String> =
        digits.as_bytes().chunks(2).map(|pair| String::from_utf8(pair.to_vec()).unwrap()).collect();
    for prefix in ["sha256:", "spki-sha256:"] {
        let text = format!("{prefix}{digits}");
        assert_eq!(Fingerprint::parse(&text).unwrap().to_string(), text);
        let as_openssl = format!("{prefix}{}", pairs.join(":").to_uppercase());
        assert_eq!(Fingerprint::parse(&as_openssl).unwrap().to_string(), text);
    }
    for wrong in [
        "",
        digits,
        "sha256:",
        "sha1:00",
        &format!("sha256:{}", &digits[1..]),
        &format!("sha256:+{}", &digits[1..]),
    ] {
        assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn who_believes_the_same_is_equal() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    assert_eq!(one.roots(), one.roots());
    assert_ne!(one.roots(), other.roots());
}

fn tlsa(usage: u8, selector: u8, matching: u8, certificate: &CertificateDer<'static>) -> Tlsa {
    let selected = if selector == 0 { certificate.to_vec() } else { public_key(certificate).unwrap() };
    let data = match matching {
        0 => selected,
        1 => digest(&SHA256, &selected).as_ref().to_vec(),
        _ => digest(&SHA512, &selected).as_ref().to_vec(),
    };
    Tlsa { usage, selector, matching, data: data.into() }
}

#[test]
fn tlsa_records_tell_of_the_host_itself_or_of_who_vouches_for_it() {
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let (middle, certified) = ours.below("middle");
    let good = ours.issue(named(&["mx.example.net"]));
    let below = middle.issue(named(&["mx.example.net"]));
    let expired = ours.issue(|params| {
        named(&["mx.example.net"])(params);
        params.not_after = date_time_ymd(2026, 2, 1);
    });
    let elsewhere = ours.issue(named(&["mx.example.com"]));
    let own = leaf(|_| ()).self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
    let (ca, other_ca) = (ours.der(), others.der());
    let ok = "";
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let of = |usage, certificate| tlsa(usage, selector, matching, certificate);
            let in_record = selector == 0 && matching == 0;
            #[rustfmt::skip]
            let cases: Vec<(&str, Vec<&CertificateDer<'static>>, Vec<Tlsa>, &str)> = vec![
                ("the host", vec![&good], vec![of(3, &good)], ok),
                ("without a name", vec![&own], vec![of(3, &own)], ok),
                ("after its time", vec![&expired], vec![of(3, &expired)], ok),
                ("for another name", vec![&elsewhere], vec![of(3, &elsewhere)], ok),
                ("another host", vec![&good], vec![of(3, &own)], "none of its TLSA"),
                ("the host as an authority", vec![&own], vec![of(2, &own)], if in_record { "is for no host" } else { "none of its TLSA" }),
                ("an authority as the host", vec![&good, &ca], vec![of(3, &ca)], "none of its TLSA"),
                ("an authority", vec![&good, &ca], vec![of(2, &ca)], ok),
                ("an authority not sent", vec![&good], vec![of(2, &ca)], if in_record { ok } else { "none of its TLSA" }),
                ("the one between", vec![&below, &certified], vec![of(2, &certified)], ok),
                ("above the one between", vec![&below, &certified, &ca], vec![of(2, &ca)], ok),
                ("another authority", vec![&good, &ca, &other_ca], vec![of(2, &other_ca)], "no authority"),
                ("an authority and another name", vec![&elsewhere, &ca], vec![of(2, &ca)], "is for mx.example.com, not for"),
                ("an authority after its time", vec![&expired, &ca], vec![of(2, &ca)], "has expired"),
                ("one of several", vec![&good, &ca], vec![of(3, &own), of(2, &ca)], ok),
                ("PKIX-EE", vec![&good], vec![of(1, &good)], "none of its TLSA"),
                ("PKIX-TA", vec![&good, &ca], vec![of(0, &ca)], "none of its TLSA"),
                ("no records", vec![&good], vec![], "none of its TLSA"),
                ("no certificate", vec![], vec![of(3, &good)], "no certificate"),
            ];
            for (what, chain, records, why) in cases {
                let judged = shown(&chain).is_in(&records, &names(&["mx.example.net", "example.net"]), NOW);
                let said = judged.map_or_else(|error| error.to_string(), |()| ok.to_owned());
                assert_eq!(said.is_empty(), why.is_empty(), "{what}, {selector} {matching}: {said}");
                assert!(said.contains(why), "{what}, {selector} {matching}: {said}");
            }
        }
    }
}
