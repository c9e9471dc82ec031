//! What is known of the providers that people send through: where they are, how they want to be logged in at, and what they allow.
//!
//! Each preset says when its facts were last checked and where they stand. Limits that a provider does not publish are left out, so that
//! none is made up here.

/// A provider.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Preset {
    /// Its word in the configuration.
    pub(crate) name: &'static str,
    /// What people call it.
    pub(crate) title: &'static str,
    /// Its host for submission; none: it has one for each region, and the configuration says which.
    pub(crate) host: Option<&'static str>,
    /// Its port.
    pub(crate) port: u16,
    /// TLS comes before the first word (RFC 8314 §3.3). Where a provider has both, this is chosen: nobody can take it out.
    pub(crate) implicit_tls: bool,
    /// Whether it takes passwords at all.
    pub(crate) passwords: bool,
    /// Recipients that it takes within a day; none: not published.
    pub(crate) recipients_per_day: Option<u32>,
    /// Recipients of one message; none: not published.
    pub(crate) recipients_per_message: Option<u32>,
    /// Whose addresses it takes mail of.
    pub(crate) senders: Senders,
    /// Where it gives tokens; none: it takes none, or does not tell.
    pub(crate) tokens: Option<TokenServer>,
    /// What to put down as login and password.
    pub(crate) credentials: &'static str,
    /// When the facts were last checked.
    pub(crate) checked: &'static str,
    /// Where they stand.
    pub(crate) source: &'static str,
}

/// Whose addresses a provider takes mail of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Senders {
    /// Of the account alone; it refuses others.
    Own,
    /// Of the account alone; it puts that into the mail of others without a word.
    Rewritten,
    /// Of domains and addresses that were shown to be the account's.
    Verified,
}

/// Where a provider gives tokens (RFC 6749).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenServer {
    pub(crate) authorize_url: &'static str,
    pub(crate) token_url: &'static str,
    pub(crate) device_url: Option<&'static str>,
    pub(crate) scopes: &'static [&'static str],
}

const AUTOCONFIG: &str = "2026-03-12";
const SERVICES: &str = "2026-11-30";

/// All that there are.
pub(crate) const PRESETS: &[Preset] = &[
    Preset {
        name: "aol",
        title: "AOL Mail",
        host: Some("smtp.aol.com"),
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: None,
        recipients_per_message: None,
        senders: Senders::Own,
        tokens: Some(TokenServer {
            authorize_url: "https://api.login.aol.com/oauth2/request_auth",
            token_url: "https://api.login.aol.com/oauth2/get_token",
            device_url: None,
            scopes: &["mail-w"],
        }),
        credentials: "the whole address, and an app password made under Account security",
        checked: AUTOCONFIG,
        source: "https://autoconfig.thunderbird.net/v1.1/aol.com",
    },
    Preset {
        name: "att",
        title: "AT&T Mail",
        host: Some("smtp.mail.att.net"),
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: None,
        recipients_per_message: None,
        senders: Senders::Own,
        tokens: None,
        credentials: "the whole address, and a secure mail key made in the account's profile",
        checked: AUTOCONFIG,
        source: "https://autoconfig.thunderbird.net/v1.1/att.net",
    },
    Preset {
        name: "comcast",
        title: "Comcast Xfinity",
        host: Some("smtp.comcast.net"),
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: None,
        recipients_per_message: None,
        senders: Senders::Own,
        tokens: Some(TokenServer {
            authorize_url: "https://oauth.xfinity.com/oauth/authorize",
            token_url: "https://oauth.xfinity.com/oauth/token",
            device_url: None,
            scopes: &["https://email.comcast.net/", "profile", "openid"],
        }),
        credentials: "the whole address and its password, with third-party access switched on; a mailbox that has moved to Yahoo wants the preset `yahoo`",
        checked: AUTOCONFIG,
        source: "https://autoconfig.thunderbird.net/v1.1/comcast.net",
    },
    Preset {
        name: "icloud",
        title: "iCloud Mail",
        host: Some("smtp.mail.me.com"),
        port: 587,
        implicit_tls: false,
        passwords: true,
        recipients_per_day: Some(1000),
        recipients_per_message: Some(500),
        senders: Senders::Own,
        tokens: None,
        credentials: "the whole address, and an app-specific password made at account.apple.com",
        checked: AUTOCONFIG,
        source: "https://support.apple.com/en-us/102525",
    },
    Preset {
        name: "gmail",
        title: "Gmail",
        host: Some("smtp.gmail.com"),
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: Some(500),
        recipients_per_message: Some(100),
        senders: Senders::Rewritten,
        tokens: Some(TokenServer {
            authorize_url: "https://accounts.google.com/o/oauth2/auth",
            token_url: "https://www.googleapis.com/oauth2/v3/token",
            device_url: None,
            scopes: &["https://mail.google.com/"],
        }),
        credentials: "the whole address, and an app password made at myaccount.google.com/apppasswords (it needs 2-Step Verification)",
        checked: AUTOCONFIG,
        source: "https://autoconfig.thunderbird.net/v1.1/gmail.com",
    },
    Preset {
        name: "outlook",
        title: "Outlook.com",
        host: Some("smtp-mail.outlook.com"),
        port: 587,
        implicit_tls: false,
        passwords: false,
        recipients_per_day: Some(5000),
        recipients_per_message: Some(500),
        senders: Senders::Own,
        tokens: Some(TokenServer {
            authorize_url: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
            token_url: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            device_url: Some("https://login.microsoftonline.com/common/oauth2/v2.0/devicecode"),
            scopes: &["https://outlook.office365.com/SMTP.Send", "offline_access"],
        }),
        credentials: "the whole address, and the client_id of an application of yours for tokens: it takes no passwords",
        checked: AUTOCONFIG,
        source: "https://autoconfig.thunderbird.net/v1.1/outlook.com",
    },
    Preset {
        name: "yahoo",
        title: "Yahoo Mail",
        host: Some("smtp.mail.yahoo.com"),
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: Some(500),
        recipients_per_message: Some(100),
        senders: Senders::Own,
        tokens: Some(TokenServer {
            authorize_url: "https://api.login.yahoo.com/oauth2/request_auth",
            token_url: "https://api.login.yahoo.com/oauth2/get_token",
            device_url: None,
            scopes: &["mail-w"],
        }),
        credentials: "the whole address, and an app password made under Account security",
        checked: AUTOCONFIG,
        source: "https://autoconfig.thunderbird.net/v1.1/yahoo.com",
    },
    Preset {
        name: "ses",
        title: "Amazon SES",
        host: None,
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: None,
        recipients_per_message: None,
        senders: Senders::Verified,
        tokens: None,
        credentials: "the SMTP user name and password made in the SES console for the region; keys of IAM are others",
        checked: SERVICES,
        source: "https://docs.aws.amazon.com/ses/latest/dg/smtp-connect.html",
    },
    Preset {
        name: "mailgun",
        title: "Mailgun",
        host: Some("smtp.mailgun.org"),
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: None,
        recipients_per_message: None,
        senders: Senders::Verified,
        tokens: None,
        credentials: "the SMTP credentials of the sending domain; of one in the EU, with host = \"smtp.eu.mailgun.org\"",
        checked: SERVICES,
        source: "https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp",
    },
    Preset {
        name: "postmark",
        title: "Postmark",
        host: Some("smtp.postmarkapp.com"),
        port: 587,
        implicit_tls: false,
        passwords: true,
        recipients_per_day: None,
        recipients_per_message: None,
        senders: Senders::Verified,
        tokens: None,
        credentials: "the server API token as login and as password",
        checked: SERVICES,
        source: "https://postmarkapp.com/developer/user-guide/send-email-with-smtp",
    },
    Preset {
        name: "sendgrid",
        title: "Twilio SendGrid",
        host: Some("smtp.sendgrid.net"),
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: None,
        recipients_per_message: None,
        senders: Senders::Verified,
        tokens: None,
        credentials: "the word `apikey` as login, and an API key with the right to send as password",
        checked: SERVICES,
        source: "https://www.twilio.com/docs/sendgrid/for-developers/sending-email/integrating-with-the-smtp-api",
    },
    Preset {
        name: "brevo",
        title: "Brevo",
        host: Some("smtp-relay.brevo.com"),
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: None,
        recipients_per_message: None,
        senders: Senders::Verified,
        tokens: None,
        credentials: "the SMTP login and an SMTP key; an API key is another",
        checked: SERVICES,
        source: "https://developers.brevo.com/docs/smtp-integration",
    },
    Preset {
        name: "mailjet",
        title: "Mailjet",
        host: Some("in-v3.mailjet.com"),
        port: 465,
        implicit_tls: true,
        passwords: true,
        recipients_per_day: None,
        recipients_per_message: None,
        senders: Senders::Verified,
        tokens: None,
        credentials: "the API key as login, and the secret key as password",
        checked: SERVICES,
        source: "https://dev.mailjet.com/smtp-relay/configuration/",
    },
];

/// The preset of a name.
pub(crate) fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_preset_is_whole_and_can_be_told_from_others() {
        let names: BTreeSet<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        assert_eq!(names.len(), PRESETS.len());
        for Preset { name, host, port, implicit_tls, checked, source, .. } in PRESETS {
            // Implicit TLS and its port belong together (RFC 8314 §7.3).
            assert_eq!(*port == 465, *implicit_tls, "{name}");
            assert!(*port == 465 || *port == 587, "{name}");
            assert!(host.is_none_or(|host| host.contains('.') && !host.ends_with('.')), "{name}");
            assert!(source.starts_with("https://"), "{name}");
            assert!(checked.len() == 10 && checked.starts_with("2026-"), "{name}: {checked}");
        }
        for seven in ["aol", "att", "comcast", "icloud", "gmail", "outlook", "yahoo"] {
            assert!(preset(seven).is_some(), "{seven}");
        }
    }
}
