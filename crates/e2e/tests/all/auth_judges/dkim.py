# Signs messages as dkimpy does, or says what dkimpy says of messages; all in hex, a line each.
#   sign, or seal: the RSA key as PEM in hex and the seed of the Ed25519 key in base64, a line each, then messages; out: `name message`.
#   verify: `NAME TEXT` of the DNS up to an empty line, then messages; out: a word for each signature, then one for the ARC chain.
import sys, dkim


def signer(kind, key, canon, headers, length, expires, message):
    signing = dkim.DKIM(message)
    if expires:
        plain = signing.gen_header
        def with_expiry(fields, *rest, **more):
            fields.insert(5, (b'x', expires))
            return plain(fields, *rest, **more)
        signing.gen_header = with_expiry
    name = b'r1' if kind == 'rsa' else b'e1'
    algorithm = b'rsa-sha256' if kind == 'rsa' else b'ed25519-sha256'
    return signing.sign(name, b'example.org', key, signature_algorithm=algorithm, canonicalize=canon,
                        include_headers=headers, length=length)


def all_signed(keys, number, message):
    words = (b'simple', b'relaxed')
    here = [name for name, _ in dkim.rfc822_parse(message)[0]]
    known = [name for name in here if name.lower() not in dkim.DKIM.SHOULD_NOT]
    ways = {
        'default': (None, False, None),
        'all': (known, False, None),
        'backwards': (known[::-1], False, None),
        'doubled': (known + known, False, None),
        'absent': (known + [b'X-Not-There', b'Cc', b'from'], False, None),
        'capitals': ([name.upper() for name in known], False, None),
        'length': (None, True, None),
        'ends': (None, False, b'4000000000'),
        'ended': (None, False, b'1'),
    }
    for kind, key in keys.items():
        for canon in [(header, body) for header in words for body in words]:
            for way, (headers, length, expires) in ways.items():
                # RSA in Python takes its time.
                if kind == 'rsa' and way not in ('default', 'length'):
                    continue
                field = signer(kind, key, canon, headers, length, expires, message)
                way = f"{number}-{kind}-{canon[0].decode()}-{canon[1].decode()}-{way}"
                yield way, field + message
    both = signer('rsa', keys['rsa'], (b'relaxed', b'relaxed'), None, False, None, message) + message
    yield f'{number}-two', signer('ed25519', keys['ed25519'], (b'simple', b'simple'), None, False, None, both) + both


def chain(key, message, length, standard):
    results = b'Authentication-Results: lists.example.org; spf=pass smtp.mailfrom=a@example.org\r\n'
    for number in range(length):
        if number:
            results = b'Authentication-Results: lists.example.org; arc=pass; spf=pass smtp.mailfrom=a@example.org\r\n'
        bare = message
        lines = dkim.arc_sign(results + bare, b'r1', b'example.org', key, b'lists.example.org', standardize=standard)
        # Of several results by one name dkimpy takes all, so only the seal keeps them.
        message = b''.join(lines) + bare
    return message


def said(message, find):
    reader = dkim.DKIM(message)
    words = []
    for number in range(sum(1 for name, _ in reader.headers if name.lower() == b'dkim-signature')):
        try:
            words.append(str(dkim.DKIM(message).verify(idx=number, dnsfunc=find)))
        except Exception as error:
            words.append(type(error).__name__)
    try:
        arc = dkim.arc_verify(message, dnsfunc=find)[0]
    except Exception as error:
        arc = type(error).__name__
    return words + [arc.decode() if isinstance(arc, bytes) else str(arc)]


lines = sys.stdin.read().split('\n')
if sys.argv[1] == 'verify':
    end = lines.index('')
    keys = dict(line.split(' ', 1) for line in lines[:end])
    def find(name, timeout=5):
        name = (name.decode() if isinstance(name, bytes) else name).rstrip('.')
        return keys[name].encode() if name in keys else None
    for line in lines[end + 1:-1]:
        try:
            print(' '.join(said(bytes.fromhex(line), find)))
        except Exception as error:
            print(type(error).__name__)
else:
    keys = {'rsa': bytes.fromhex(lines[0]), 'ed25519': lines[1].encode()}
    for number, line in enumerate(lines[2:-1]):
        message = bytes.fromhex(line)
        if sys.argv[1] == 'sign':
            for way, signed in all_signed(keys, number, message):
                print(way, signed.hex())
            continue
        for length in (1, 3):
            print(f'{number}-arc-{length}', chain(keys['rsa'], message, length, number % 2 == 1).hex())
