//! What holds for any input.

use mail::{Address, Body, Domain, Notify, OriginalRecipient, Ret, ReversePath};
use proptest::{collection::vec, option::of, prelude::*, sample::Index};
use smtp::{
    ClientProtocol, Command, ForwardPath, MailFrom, Protocol, RcptTo, Told, Xclient, client,
    framing::{BareLineEnds, Decoder, Fault, HeaderLines},
    server::{Answer, Authentication, Limits, Offers, Question},
    stuffing::Encoder,
};
use testkit::{
    by_the_book::{self, Decoded, find, in_lines, normalised},
    second_opinion,
};

use crate::common::{Talk, reply};

/// Octets that matter for framing, mostly.
fn framing_octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let octet =
        prop_oneof![3 => Just(b'.'), 4 => Just(b'\r'), 4 => Just(b'\n'), 2 => Just(b'a'), 1 => Just(0)];
    let piece = prop_oneof![3 => octet.prop_map(|octet| vec![octet]), 2 => Just(b"\r\n".to_vec())];
    vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

/// Cuts octets into parts at any places.
fn parts<'a>(octets: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
    places.sort_unstable();
    places.push(octets.len());
    let mut from = 0;
    places.into_iter().map(|to| &octets[std::mem::replace(&mut from, to)..to]).collect()
}

/// The first fault in a header section, looked for in all of it at once.
fn header_fault(octets: &[u8]) -> Option<Fault> {
    let lines = [b"\r\n", octets].concat();
    let end = find(&lines, b"\r\n\r\n").map_or(lines.len(), |at| at + 4);
    let section = &lines[..end];
    (0..section.len()).find_map(|at| match section[at] {
        0 => Some(Fault::Nul),
        b'\r' if section.get(at + 1) != Some(&b'\n') => Some(Fault::BareLineEnd),
        b'\n' if section[at - 1] != b'\r' => Some(Fault::BareLineEnd),
        _ => None,
    })
}

fn decode(input: &[u8], cuts: &[Index], bare: BareLineEnds) -> Decoded {
    let (mut decoder, mut out, mut used) = (Decoder::new(bare), Vec::new(), 0);
    for part in parts(input, cuts) {
        let (taken, ended) = decoder.decode(part, &mut out);
        used += taken;
        if ended {
            return Some((used, decoder.fault().map_or(Ok(out), Err)));
        }
        assert_eq!(taken, part.len());
    }
    None
}

fn encode(content: &[u8], cuts: &[Index]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    for part in parts(content, cuts) {
        encoder.encode(part, &mut out);
    }
    encoder.finish(&mut out);
    out
}

fn address() -> impl Strategy<Value = Address> {
    ("[ -~é]{1,20}", "[a-z]{1,8}(\\.[a-z0-9]{1,8}){0,3}|\\[192\\.0\\.2\\.[1-9]\\]")
        .prop_map(|(local, domain)| Address::new(&local, Domain::parse(&domain).unwrap()).unwrap())
}

fn command() -> impl Strategy<Value = Command> {
    let parameters = (of("[ -~]{1,20}"), 0..3_u8, 0..3_u8, any::<bool>());
    let mail = (of(address()), any::<Option<u64>>(), parameters).prop_map(
        |(address, size, (envid, ret, body, smtputf8))| {
            let smtputf8 = smtputf8 || address.as_ref().is_some_and(Address::is_utf8);
            let reverse_path = address.map_or(ReversePath::Null, ReversePath::Address);
            let body = [Body::SevenBit, Body::EightBitMime, Body::BinaryMime][usize::from(body)];
            let ret = [None, Some(Ret::Full), Some(Ret::Headers)][usize::from(ret)];
            let envid = envid.map(String::into_boxed_str);
            let auth = Some(reverse_path.clone()).filter(|path| {
                !path.address().is_some_and(Address::is_utf8) && size.is_some_and(|n| n % 2 == 0)
            });
            let number = size.unwrap_or_default();
            let by = smtp::By { seconds: 120, return_then: number % 3 == 0, trace: number % 2 == 0 };
            let until = mail::Timestamp::from_millis(number % 4_000_000_000 * 1000);
            let schedule = smtp::Schedule {
                hold: (number % 7 == 0).then_some(smtp::Hold::Until(until)),
                by: (number % 5 == 0).then_some(by),
                priority: (number % 11 == 0).then_some(-3),
            };
            Command::Mail(Box::new(MailFrom {
                reverse_path,
                size,
                body,
                smtputf8,
                ret,
                envid,
                auth,
                schedule,
            }))
        },
    );
    let rcpt = prop_oneof![9 => address().prop_map(ForwardPath::Address), 1 => Just(ForwardPath::Postmaster)]
        .prop_flat_map(|path| (Just(path), 0..9_u8, of("[^\\p{Cc}]{1,9}")))
        .prop_map(|(forward_path, bits, original)| {
            let (success, failure, delay) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let notify =
                if bits == 8 { Notify::default() } else { Notify { success, failure, delay, given: true } };
            let orcpt = original.map(|original| OriginalRecipient::of(&original));
            Command::Rcpt(Box::new(RcptTo { forward_path, notify, orcpt }))
        });
    prop_oneof![
        4 => mail,
        4 => rcpt,
        1 => "[a-z]{1,9}(\\.[a-z_0-9]{1,9}){0,2}".prop_map(Command::Ehlo),
        1 => "\\[192\\.0\\.2\\.[1-9]\\]".prop_map(Command::Helo),
        1 => "[a-z]{1,9}".prop_map(Command::Lhlo),
        1 => "[!-~é]([ -~é]{0,9}[!-~é])?".prop_map(Command::Vrfy),
        1 => "[!-~é]([ -~é]{0,9}[!-~é])?".prop_map(Command::Expn),
        1 => "[a-z]{1,9}(\\.[a-z]{1,9})?|@[a-z]{1,9}|#[!-~]{1,9}".prop_map(|node| Command::parse(format!("ETRN {node}").as_bytes()).unwrap()),
        1 => xclient().prop_map(|xclient| Command::Xclient(Box::new(xclient))),
        2 => proptest::sample::select(vec![
            Command::Data, Command::Bdat { octets: 0, last: true }, Command::Bdat { octets: u64::MAX, last: false }, Command::Rset, Command::Help, Command::Noop, Command::Quit,
        ]),
    ]
}

/// With at least one attribute.
fn xclient() -> impl Strategy<Value = Xclient> {
    let name =
        prop_oneof![Just(Told::Unknown), "[a-z]{1,9}\\.[a-z]{2,3}".prop_map(|name| Told::Known(name.into()))];
    let address = prop_oneof![Just(Told::Unknown), any::<std::net::IpAddr>().prop_map(Told::Known)];
    let protocol =
        proptest::sample::select(vec![ClientProtocol::Smtp, ClientProtocol::Esmtp, ClientProtocol::Lmtp]);
    let hello = prop_oneof![Just(Told::Unknown), "[ -~]{1,255}".prop_map(|hello| Told::Known(hello.into()))];
    (of(name), address, of(protocol), of(hello)).prop_map(|(name, address, protocol, hello)| Xclient {
        name,
        address: Some(address),
        protocol,
        hello,
    })
}

/// Lines that are nearly commands.
fn nearly_commands() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "EHLO ",
        "HELO a",
        "LHLO a\r\n",
        "MAIL FROM:",
        "RCPT TO:",
        "<",
        ">",
        "<a@b>",
        "@a,@b:",
        "\"",
        "\\",
        "@",
        ".",
        ":",
        "[",
        "]",
        " SIZE=",
        "1",
        " BODY=8BITMIME",
        " BODY=BINARYMIME",
        " SMTPUTF8",
        " RET=HDRS",
        " ENVID=",
        " NOTIFY=NEVER",
        " NOTIFY=DELAY,",
        "SUCCESS",
        " ORCPT=rfc822;",
        "+2B",
        "XCLIENT ADDR=192.0.2.1\r\n",
        "XCLIENT HELO=",
        " NAME=a",
        " PROTO=SMTP",
        "ETRN @a\r\n",
        "ETRN #",
        "AUTH PLAIN\r\n",
        "AUTH LOGIN YQ==\r\n",
        "AUTH SCRAM-SHA-256 biwsbj1hLHI9Yg==\r\n",
        "YQ==\r\n",
        "*\r\n",
        " AUTH=",
        "DATA\r\n",
        "QUIT",
        "RSET",
        "VRFY ",
        "NOOP",
        "é",
        " ",
        "=",
        "\r\n",
        "\r\n",
        "\r\n",
        "\r",
        "\n",
        "\0",
        "\r\n.\r\n",
        "GET ",
        "BDAT 1",
        "BDAT 5 LAST\r\nabc\r\n",
        "BDAT 4\r\nNOOP",
        "BDAT 0 LAST\r\n",
        "BDAT 99\r\n",
        " LAST\r\n",
        "postmaster",
    ];
    let word = prop_oneof![
        9 => proptest::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(word, 0..60).prop_map(|words| words.concat())
}

fn all_mechanisms() -> Authentication {
    Authentication::By(sasl::Mechanism::ALL.into_iter().collect())
}

/// As to a proxy on a network of ours.
fn everything_offered(question: &Question) -> Option<Answer> {
    let greets = matches!(question, Question::Connected | Question::Proxied(_));
    greets.then_some(Answer::Greet(Offers {
        xclient: true,
        etrn: true,
        starttls: false,
        auth: all_mechanisms(),
        schedule: Some(smtp::server::Scheduling {
            hold_seconds_max: 60,
            hold_until_max: mail::Timestamp::default(),
        }),
    }))
}

/// More cases than usual, for they are short; `PROPTEST_CASES` scales them.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.saturating_mul(4), failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_decoder_does_what_the_rfc_says(
        input in framing_octets(60), cuts in vec(any::<Index>(), 0..6), normalise: bool,
    ) {
        let bare = if normalise { BareLineEnds::Normalise } else { BareLineEnds::Refuse };
        prop_assert_eq!(decode(&input, &cuts, bare), by_the_book::decoded(&input, bare));
    }

    #[test]
    fn the_header_section_of_binary_content_has_lines(input in framing_octets(20), cuts in vec(any::<Index>(), 0..4)) {
        let mut header = HeaderLines::default();
        let read = parts(&input, &cuts).into_iter().try_for_each(|part| header.read(part));
        prop_assert_eq!(read.and_then(|()| header.end()).err(), header_fault(&input));
    }

    #[test]
    fn what_is_stuffed_decodes_to_the_same(
        input in framing_octets(60), cuts in vec(any::<Index>(), 0..6), more in vec(any::<Index>(), 0..6),
    ) {
        let input: Vec<u8> = input.into_iter().filter(|octet| *octet != 0).collect();
        let out = encode(&input, &cuts);
        prop_assert_eq!(decode(&out, &more, BareLineEnds::Refuse), Some((out.len(), Ok(in_lines(&input)))));
    }

    #[test]
    fn any_octets_with_their_lines_in_order_come_through(
        content in vec(any::<u8>(), 0..500), cuts in vec(any::<Index>(), 0..6),
    ) {
        let mut content: Vec<u8> = content.into_iter().filter(|octet| !matches!(octet, 0 | b'\r' | b'\n')).collect();
        content.extend(b"\r\n");
        let out = encode(&content, &cuts);
        prop_assert_eq!(decode(&out, &cuts, BareLineEnds::Refuse), Some((out.len(), Ok(content))));
    }

    #[test]
    fn a_command_that_is_written_parses_to_the_same(command in command()) {
        let mut out = Vec::new();
        command.write_to(&mut out);
        let line = out.strip_suffix(b"\r\n").unwrap();
        prop_assert_eq!(Command::parse(line), Ok(command));
    }

    #[test]
    fn no_command_line_panics(line in nearly_commands()) {
        let _ = Command::parse(&line).is_ok();
    }

    #[test]
    fn what_we_take_smtp_proto_takes_in_the_same_sense(line in nearly_commands(), command in command()) {
        let mut written = Vec::new();
        command.write_to(&mut written);
        for line in line.split(|octet| *octet == b'\n').chain([written.trim_ascii_end()]) {
            if let Ok(ours) = Command::parse(line.strip_suffix(b"\r").unwrap_or(line)) {
                second_opinion::agrees_about_command(&ours, line);
            }
        }
    }

    #[test]
    fn no_octets_make_the_server_panic_or_say_what_is_no_reply(
        input in nearly_commands(), cuts in vec(any::<Index>(), 0..8), lmtp: bool,
    ) {
        let limits = Limits { message_size_max: 30, ..Limits::default() };
        let mut talk = if lmtp { Talk::lmtp(limits, everything_offered) } else { Talk::with(limits, everything_offered) };
        let mut said = talk.send("");
        for part in parts(&input, &cuts) {
            said += &talk.send(part);
        }
        talk.session.end_of_input();
        said += &talk.send("");
        prop_assert!(talk.closed);
        for line in said.split_terminator("\r\n") {
            // RFC 4954 §4: an empty challenge.
            prop_assert!((line.len() > 4 || line == "334 ") && line[..3].parse::<u16>().is_ok() && !line.contains(['\r', '\n']));
        }
    }

    #[test]
    fn nothing_is_promised_that_nobody_vouched_for(input in vec(nearly_commands(), 0..6)) {
        let policy = |question: &Question| {
            matches!(question, Question::EndOfContent { .. }).then_some(Answer::Proceed)
        };
        let mut talk = Talk::with(Limits::default(), policy);
        talk.send("EHLO client.example.net\r\n");
        let said: String = input.into_iter().map(|part| {
            talk.send("RSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n") + &talk.send(part) + &talk.send("\r\n.\r\n")
        }).collect();
        let ends = talk.asked.iter().filter(|asked| *asked == "end").count();
        prop_assert_eq!(said.matches("451 4.3.0 Local error in processing\r\n").count(), ends);
    }

    #[test]
    fn however_a_pipelined_stream_is_cut_the_same_is_said_and_taken(
        input in nearly_commands(), cuts in vec(any::<Index>(), 0..8), lmtp: bool,
    ) {
        // EHLO and DATA end their group (RFC 2920 §3.1): who sends on behind them is told apart by the cuts.
        let mut input = input;
        for verb in [&b"HELO"[..], b"EHLO", b"LHLO", b"DATA"] {
            while let Some(at) = input.to_ascii_uppercase().windows(4).position(|window| window == verb) {
                input[at] = b'X';
            }
        }
        let transaction = "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n";
        let input = [transaction.as_bytes(), &input, transaction.as_bytes()].concat();
        let limits = Limits { message_size_max: 30, ..Limits::default() };
        let talked = |parts: Vec<&[u8]>| {
            let mut talk = if lmtp { Talk::lmtp(limits, |_| None) } else { Talk::with(limits, |_| None) };
            talk.send(if lmtp { "LHLO client.example.net\r\n" } else { "EHLO client.example.net\r\n" });
            let said: String = parts.into_iter().map(|part| talk.send(part)).collect();
            (said, talk.asked, talk.contents, talk.closed)
        };
        prop_assert_eq!(talked(parts(&input, &cuts)), talked(vec![&input]));
    }

    #[test]
    fn chunks_come_through_whatever_their_number(
        content in framing_octets(60), chunks in vec(any::<Index>(), 0..5), cuts in vec(any::<Index>(), 0..8), normalise: bool,
    ) {
        let policy = if normalise {
            |question: &Question| (*question == Question::Data).then_some(Answer::Normalise)
        } else {
            |_: &Question| None
        };
        let mut talk = Talk::with(Limits::default(), policy);
        talk.send("EHLO client.example.net\r\n");
        talk.send("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n");
        let mut stream = Vec::new();
        let chunks = parts(&content, &chunks);
        for (number, chunk) in (1..).zip(&chunks) {
            let last = if number == chunks.len() { " LAST" } else { "" };
            stream.extend(format!("BDAT {}{last}\r\n", chunk.len()).into_bytes());
            stream.extend(*chunk);
        }
        let said: String = parts(&stream, &cuts).into_iter().map(|part| talk.send(part)).collect();
        prop_assert_eq!(said.lines().count(), chunks.len());
        let whole = in_lines(&content);
        let text = !content.contains(&0) && (normalise || whole == content || whole == [&content[..], b"\r\n"].concat());
        prop_assert_eq!(said.ends_with("250 2.0.0 Queued\r\n"), text, "{}", said);
        prop_assert_eq!(&talk.contents, &if text { vec![whole] } else { vec![] });
        // And the session is where it was.
        prop_assert_eq!(talk.send("MAIL FROM:<>\r\n"), "250 2.1.0 Sender ok\r\n");
    }

    #[test]
    fn lmtp_has_a_reply_for_each_accepted_recipient_in_their_order(
        recipients in vec(any::<bool>(), 1..9), chunked: bool, refused: bool, cuts in vec(any::<Index>(), 0..8),
    ) {
        let policy = if refused {
            |question: &Question| {
                matches!(question, Question::EndOfContent { .. })
                    .then(|| Answer::Replied(reply(451, (4, 3, 0), "Not now")))
            }
        } else {
            |_: &Question| None
        };
        let mut talk = Talk::lmtp(Limits::default(), policy);
        talk.send("LHLO client.example.net\r\n");
        talk.send("MAIL FROM:<>\r\n");
        for exists in &recipients {
            talk.send(if *exists { "RCPT TO:<a@b>\r\n" } else { "RCPT TO:<nobody@b>\r\n" });
        }
        let accepted = recipients.iter().filter(|exists| **exists).count();
        prop_assume!(accepted > 0);
        let content: &[u8] = if chunked { b"BDAT 3 LAST\r\na\r\n" } else { talk.send("DATA\r\n"); b"a\r\n.\r\n" };
        let said: String = parts(content, &cuts).into_iter().map(|part| talk.send(part)).collect();
        let each = if refused { "451 4.3.0 Not now\r\n" } else { "250 2.0.0 Queued\r\n" };
        prop_assert_eq!(said, each.repeat(accepted));
    }

    #[test]
    fn no_octets_make_the_client_panic_or_run_for_ever(
        input in vec(vec(prop_oneof![
            Just("220 a\r\n"), Just("250-a\r\n250 PIPELINING\r\n"), Just("250 a\r\n"), Just("354 a\r\n"), Just("550 5.1.1 a\r\n"),
            Just("421 a\r\n"), Just("2"), Just("250-"), Just("\r\n"), Just("\n"), Just("x\0é"),
        ], 0..4), 0..12), lmtp: bool,
    ) {
        let protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let mut session = client::Session::new(protocol, "c".to_owned());
        let mut input = input.into_iter();
        for _ in 0..200 {
            match session.step() {
                client::Step::Read(_) => match input.next() {
                    Some(said) => session.receive(said.concat().as_bytes()),
                    None => session.end_of_input(),
                },
                client::Step::Ready => session.begin(client::Transaction {
                    mail: MailFrom::new(ReversePath::Null),
                    recipients: ["a@b", "c@d"].map(|text| RcptTo::new(ForwardPath::Address(Address::parse(text).unwrap()))).into(),
                }),
                client::Step::Secure => session.secured(),
                client::Step::SendContent => session.end_content(),
                client::Step::Done(outcome) => prop_assert_eq!(outcome.recipients.len(), 2),
                client::Step::Failed(_) => {}
                client::Step::Closed => return Ok(()),
            }
        }
        prop_assert!(false, "no end");
    }

    #[test]
    fn client_and_server_agree_about_a_message(
        content in framing_octets(40), recipients in vec(prop_oneof![address(), Just(Address::parse("nobody@a").unwrap())], 1..5),
        piece in 1..50_usize, chunk in 1..200_usize, messages in 1..4_usize, lmtp: bool, sized: bool,
    ) {
        let content: Vec<u8> = content.into_iter().filter(|octet| *octet != 0).collect();
        let protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        // As one chunk, content must be in lines already.
        let content = if sized { [&normalised(&content)[..], b"\r\n"].concat() } else { content };
        together(protocol, sized, &content, &recipients, piece, chunk, messages)?;
    }
}

/// A client session and a server session over a wire that passes `chunk` octets at a time.
fn together(
    protocol: Protocol,
    sized: bool,
    content: &[u8],
    recipients: &[Address],
    piece: usize,
    chunk: usize,
    messages: usize,
) -> Result<(), TestCaseError> {
    let limits = Limits::default();
    let mut server = match protocol {
        Protocol::Smtp => Talk::with(limits, |_| None),
        Protocol::Lmtp => Talk::lmtp(limits, |_| None),
    };
    let mut client = client::Session::new(protocol, "client.example.net".to_owned());
    let (mut outcomes, mut begun, mut up, mut down) = (Vec::new(), 0, Vec::new(), Vec::new());
    loop {
        match client.step() {
            client::Step::Read(_) => {
                up.append(client.output());
                down.extend(server.send("").into_bytes());
                while down.is_empty() && !up.is_empty() {
                    let part: Vec<u8> = up.drain(..up.len().min(chunk)).collect();
                    down.extend(server.send(part).into_bytes());
                }
                prop_assert!(!down.is_empty(), "both wait");
                let part: Vec<u8> = down.drain(..down.len().min(chunk)).collect();
                client.receive(&part);
            }
            client::Step::Ready if begun == messages => client.quit(),
            client::Step::Ready => {
                begun += 1;
                let size = sized.then_some(content.len() as u64);
                let mail = MailFrom { size, body: Body::EightBitMime, ..MailFrom::new(ReversePath::Null) };
                let rcpt = |address: &Address| RcptTo::new(ForwardPath::Address(address.clone()));
                client.begin(client::Transaction { mail, recipients: recipients.iter().map(rcpt).collect() });
            }
            client::Step::Secure => prop_assert!(false, "nobody asked for TLS"),
            client::Step::SendContent => {
                content.chunks(piece).for_each(|piece| client.content(piece));
                client.end_content();
            }
            client::Step::Done(outcome) => outcomes.push(outcome),
            client::Step::Failed(failure) => prop_assert!(false, "{:?}", failure),
            client::Step::Closed => break,
        }
    }
    let codes: Vec<u16> =
        recipients.iter().map(|address| if address.local_part() == "nobody" { 550 } else { 250 }).collect();
    for outcome in &outcomes {
        let got: Vec<u16> = outcome.recipients.iter().map(|(_, reply)| reply.code()).collect();
        prop_assert_eq!(&got, &codes);
    }
    let expected = in_lines(content);
    let taken = if codes.contains(&250) { messages } else { 0 };
    prop_assert_eq!(&server.contents, &vec![expected; taken]);
    Ok(())
}
