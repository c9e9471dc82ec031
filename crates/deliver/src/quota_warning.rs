//! What somebody reads whose mailbox is nearly full.

use mail::{Address, Timestamp};
use mailstore::{Quota, QuotaWarning, Warning};
use message::{FieldName, FieldText, FieldWriter, write_date_field, write_message_id_field};

/// The warning, from so many hundredths of a quota on.
pub fn quota_warning(hostname: &str, percent: u8) -> QuotaWarning {
    let hostname = hostname.to_owned();
    QuotaWarning { percent, write: Box::new(move |warning| written(&hostname, warning)) }
}

fn written(hostname: &str, warning: &Warning<'_>) -> Vec<u8> {
    let Warning { account, quota, full, now } = warning;
    let mut content = Vec::with_capacity(1024);
    let mut field = |name: &str, text: &str| {
        if let Some(name) = FieldName::new(name) {
            FieldWriter::new(&mut content, name).words(&FieldText::ascii(text)).end();
        }
    };
    // The name of an account is its login, if that is as plain as most.
    let to = Address::parse(account).ok().filter(|_| account.is_ascii() && !account.contains('%'));
    field("From", &format!("Postrider <postmaster@{hostname}>"));
    field("To", &to.map_or_else(|| "undisclosed-recipients:;".to_owned(), |to| to.to_string()));
    let subject =
        if *full { "Your mailbox is full: mail for you waits" } else { "Your mailbox is nearly full" };
    field("Subject", subject);
    field("Auto-Submitted", "auto-generated");
    field("MIME-Version", "1.0");
    field("Content-Type", "text/plain; charset=us-ascii");
    let now = u64::try_from(*now).unwrap_or(0);
    write_date_field(&mut content, Timestamp::from_millis(now));
    let what = if *full { "full" } else { "quota" };
    write_message_id_field(&mut content, &format!("{what}.{now}.{account}"), hostname);
    let begin = if *full {
        "A message for you has no room in your mailbox and waits at the server.\r\n\
         If there is no room in time, it goes back to its sender."
    } else {
        "Your mailbox is nearly full. What has no room in it has to wait."
    };
    let usage = usage(quota);
    let end = "Delete what you do not need any more, and empty the trash;\r\n\
               or ask whoever runs the server for more room.";
    content.extend_from_slice(format!("\r\n{begin}\r\n\r\n{usage}\r\n{end}\r\n").as_bytes());
    content
}

fn usage(quota: &Quota) -> String {
    let octets = quota
        .octets_max
        .map(|most| format!("It holds {} KiB of {} KiB.\r\n", quota.octets.div_ceil(1024), most / 1024));
    let messages =
        quota.messages_max.map(|most| format!("It holds {} messages of {most}.\r\n", quota.messages));
    octets.into_iter().chain(messages).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_a_message_of_good_form_whatever_the_account() {
        let quota = Quota { octets: 1900, messages: 3, octets_max: Some(2048), messages_max: Some(4) };
        for (account, to) in [
            ("anna@example.org", "anna@example.org"),
            ("%22a%20b%22@example.org", "undisclosed-recipients:;"),
            ("a\r\nBcc: b@example.org", "undisclosed-recipients:;"),
        ] {
            for full in [false, true] {
                let warning = Warning { account, quota, full, now: 1_795_456_934_000 };
                let text = String::from_utf8(written("mx.example.org", &warning)).unwrap();
                let section = message::HeaderSection::read(text.as_bytes());
                let names: Vec<_> = section
                    .fields()
                    .map(|field| String::from_utf8_lossy(field.name()).into_owned())
                    .collect();
                let expected = [
                    "From",
                    "To",
                    "Subject",
                    "Auto-Submitted",
                    "MIME-Version",
                    "Content-Type",
                    "Date",
                    "Message-ID",
                ];
                assert_eq!(names, expected, "{text}");
                assert_eq!(section.find("To").unwrap().text(99), to);
                assert!(text.contains("2 KiB of 2 KiB") && text.contains("3 messages of 4"), "{text}");
                assert!(text.lines().all(|line| line.len() <= 78 && line.is_ascii()), "{text}");
            }
        }
    }
}
