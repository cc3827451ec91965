<?php
// Signed tokens for Mailferry (RFC 7519, ES256). PHP 8.1 or newer with the openssl extension, no library.
declare(strict_types=1);

const SSO = 'mailferry/sso'; // for POST /migrate/sign-in: at most 60 s, works once
const API = 'mailferry/api'; // for Authorization: Bearer: at most 3600 s

/** @param array<string, mixed> $claims what differs from person to person: sub, role, mailboxes, ... */
function mailferry_token(string $keyFile, string $issuer, string $audience, array $claims): string
{
    $now = time();
    $header = ['alg' => 'ES256', 'typ' => 'JWT'];
    $claims += [
        'iss' => $issuer,
        'aud' => $audience,
        'iat' => $now,
        'exp' => $now + ($audience === SSO ? 60 : 3600),
        'jti' => bin2hex(random_bytes(16)),
    ];
    $text = base64url(json_encode($header, JSON_THROW_ON_ERROR)) . '.' . base64url(json_encode($claims, JSON_THROW_ON_ERROR));
    $key = openssl_pkey_get_private('file://' . realpath($keyFile));
    if ($key === false || !openssl_sign($text, $signature, $key, OPENSSL_ALGO_SHA256)) {
        throw new RuntimeException('the key cannot sign');
    }
    return $text . '.' . base64url(raw_signature($signature));
}

/** OpenSSL gives SEQUENCE { r INTEGER, s INTEGER } in DER; a token wants r and s, 32 bytes each (RFC 7518 section 3.4). */
function raw_signature(string $der): string
{
    $at = 2; // 30 len; a P-256 signature is shorter than 128 bytes
    $raw = '';
    for ($i = 0; $i < 2; $i++) {
        $length = ord($der[$at + 1]); // 02 len
        $number = ltrim(substr($der, $at + 2, $length), "\0");
        $raw .= str_pad($number, 32, "\0", STR_PAD_LEFT);
        $at += 2 + $length;
    }
    return $raw;
}

function base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}
