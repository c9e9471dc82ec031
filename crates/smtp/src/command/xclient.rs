//! XCLIENT: a proxy says who the client behind it is. Not a standard; as Postfix describes it in its `XCLIENT_README`.

use std::{fmt, net::IpAddr};

use mail::{
    Domain,
    xtext::{decode_xtext, encode_xtext},
};

use super::{Command, CommandError, parse::esmtp_parameters};

/// The attributes that are announced. LOGIN is not among them: who logs in shows it by AUTH, here.
pub(crate) const ATTRIBUTES: &str = "NAME ADDR PORT PROTO HELO DESTADDR DESTPORT";

/// The longest NAME and HELO, in octets.
const TEXT_OCTETS_MAX: usize = 255;

/// What a proxy says of the client behind it. None: it says nothing of that.
///
/// PORT, DESTADDR and DESTPORT are checked and not kept: nothing here depends on them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Xclient {
    /// `NAME=`: the client's name by reverse DNS, confirmed by the proxy.
    pub name: Option<Told<Box<str>>>,
    /// `ADDR=`: the client's address.
    pub address: Option<Told<IpAddr>>,
    /// `PROTO=`: how the client speaks to the proxy.
    pub protocol: Option<ClientProtocol>,
    /// `HELO=`: what the client calls itself, in any spelling.
    pub hello: Option<Told<Box<str>>>,
}

/// The value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<T> {
    /// This.
    Known(T),
    /// `[UNAVAILABLE]` or `[TEMPUNAVAIL]`: the proxy does not know it, for ever or for now.
    Unknown,
}

/// How a client speaks to its proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientProtocol {
    /// `SMTP`: without extensions.
    Smtp,
    /// `ESMTP`.
    Esmtp,
    /// `LMTP`, which Dovecot's proxies say.
    Lmtp,
}

impl<T> Told<T> {
    /// The value, if it is known.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }
}

/// ```text
/// xclient-command = XCLIENT 1*( SP attribute-name"="attribute-value )
/// attribute-name  = ( NAME | ADDR | PORT | PROTO | HELO | LOGIN | DESTADDR | DESTPORT )
/// attribute-value = xtext
/// ```
///
/// An attribute given twice is refused: who of two clients is meant must not depend on the reader.
pub(super) fn parse_xclient(argument: &str) -> Result<Command, CommandError> {
    let mut xclient = Xclient::default();
    let mut seen: Vec<String> = Vec::new();
    for parameter in esmtp_parameters(argument) {
        let (name, value) = parameter.map_err(|_| CommandError::Xclient)?;
        let name = name.to_ascii_uppercase();
        let value = value.and_then(decode_xtext).ok_or(CommandError::Xclient)?;
        if seen.contains(&name) {
            return Err(CommandError::Xclient);
        }
        xclient.set(&name, value).ok_or(CommandError::Xclient)?;
        seen.push(name);
    }
    if seen.is_empty() { Err(CommandError::Xclient) } else { Ok(Command::Xclient(Box::new(xclient))) }
}

impl Xclient {
    /// None: no such attribute, or not with this value.
    fn set(&mut self, name: &str, value: String) -> Option<()> {
        let told = told(value);
        match name {
            "NAME" => self.name = Some(told.checked(host_name)?),
            "ADDR" => self.address = Some(told.checked(address)?),
            "PROTO" => self.protocol = Some(client_protocol(&told.known()?)?),
            "HELO" => self.hello = Some(told.checked(text)?),
            "PORT" | "DESTPORT" => drop(told.checked(|port| port.parse::<u16>().ok())?),
            "DESTADDR" => drop(told.checked(address)?),
            // A login that is not honoured must not look as if it were.
            "LOGIN" if told == Told::Unknown => {}
            _ => return None,
        }
        Some(())
    }
}

impl Told<String> {
    /// The value as `check` understands it. None: it does not.
    fn checked<T>(self, check: impl FnOnce(&str) -> Option<T>) -> Option<Told<T>> {
        match self {
            Self::Known(value) => check(&value).map(Told::Known),
            Self::Unknown => Some(Told::Unknown),
        }
    }
}

fn told(value: String) -> Told<String> {
    let unknown = ["[UNAVAILABLE]", "[TEMPUNAVAIL]"].iter().any(|word| value.eq_ignore_ascii_case(word));
    if unknown { Told::Unknown } else { Told::Known(value) }
}

fn host_name(value: &str) -> Option<Box<str>> {
    let named = Domain::parse(value).is_ok_and(|domain| domain.name().is_some());
    (named && value.len() <= TEXT_OCTETS_MAX).then(|| value.into())
}

/// `192.0.2.1` or `IPv6:2001:db8::1`: as inside of the brackets of an address literal.
fn address(value: &str) -> Option<IpAddr> {
    match Domain::parse(&format!("[{value}]")) {
        Ok(Domain::Literal(address)) => Some(address),
        _ => None,
    }
}

/// The proxy may have taken a name that we would not.
fn text(value: &str) -> Option<Box<str>> {
    (!value.is_empty() && value.len() <= TEXT_OCTETS_MAX).then(|| value.into())
}

fn client_protocol(value: &str) -> Option<ClientProtocol> {
    [ClientProtocol::Smtp, ClientProtocol::Esmtp, ClientProtocol::Lmtp]
        .into_iter()
        .find(|protocol| value.eq_ignore_ascii_case(protocol.name()))
}

impl ClientProtocol {
    fn name(self) -> &'static str {
        match self {
            Self::Smtp => "SMTP",
            Self::Esmtp => "ESMTP",
            Self::Lmtp => "LMTP",
        }
    }
}

/// `XCLIENT` and the attributes of which something is said.
impl fmt::Display for Xclient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("XCLIENT")?;
        let told = |told: &Told<Box<str>>| match told {
            Told::Known(text) => encode_xtext(text),
            Told::Unknown => "[UNAVAILABLE]".to_owned(),
        };
        if let Some(name) = &self.name {
            write!(f, " NAME={}", told(name))?;
        }
        match self.address {
            Some(Told::Known(IpAddr::V4(address))) => write!(f, " ADDR={address}")?,
            Some(Told::Known(IpAddr::V6(address))) => write!(f, " ADDR=IPV6:{address}")?,
            Some(Told::Unknown) => f.write_str(" ADDR=[UNAVAILABLE]")?,
            None => {}
        }
        if let Some(protocol) = self.protocol {
            write!(f, " PROTO={}", protocol.name())?;
        }
        match &self.hello {
            Some(hello) => write!(f, " HELO={}", told(hello)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(argument: &str) -> Option<Xclient> {
        match parse_xclient(argument) {
            Ok(Command::Xclient(xclient)) => Some(*xclient),
            _ => None,
        }
    }

    #[test]
    fn the_attributes_mean_what_postfix_says() {
        let all = "NAME=spike.example.net ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP HELO=spike+20x LOGIN=[UNAVAILABLE] DESTADDR=IPV6:::1 DESTPORT=25";
        let expected = Xclient {
            name: Some(Told::Known("spike.example.net".into())),
            address: Some(Told::Known("192.0.2.7".parse().unwrap())),
            protocol: Some(ClientProtocol::Esmtp),
            hello: Some(Told::Known("spike x".into())),
        };
        assert_eq!(parsed(all), Some(expected));
        let unknown = parsed("name=[unavailable] addr=[TempUnavail] helo=[UNAVAILABLE]").unwrap();
        assert_eq!((unknown.name, unknown.address), (Some(Told::Unknown), Some(Told::Unknown)));
        let v6 = parsed("ADDR=ipv6:2001:db8::1").unwrap();
        assert_eq!(v6.address, Some(Told::Known("2001:db8::1".parse().unwrap())));
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for argument in [
            "",
            "ADDR",
            "ADDR=",
            "ADDR=192.0.2",
            "ADDR=192.0.2.1/32",
            "ADDR=2001:db8::1",
            "ADDR=192.0.2.1 ADDR=192.0.2.2",
            "ADDR=192.0.2.1 addr=192.0.2.2",
            "ADDR=192.0.2.1]",
            "NAME=[192.0.2.1]",
            "NAME=a+20b",
            "NAME=-a-",
            "HELO=+0D+0A",
            "HELO=a=b",
            "PROTO=HTTP",
            "PROTO=[UNAVAILABLE]",
            "PORT=65536",
            "PORT=-1",
            "DESTADDR=here",
            "LOGIN=anna",
            "SOURCE=LOCAL",
            &format!("HELO={}", "a".repeat(256)),
        ] {
            assert_eq!(parsed(argument), None, "{argument}");
        }
    }
}
