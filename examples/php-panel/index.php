<?php
// The page of a panel behind "Mailbox migration": who is signed in here goes on at Mailferry, as the same person.
declare(strict_types=1);
require __DIR__ . '/token.php';

$mailferry = getenv('MAILFERRY_URL') ?: 'http://127.0.0.1:3000/migrate';
$issuer = getenv('PANEL_ISSUER') ?: 'https://panel.example';
$keyFile = getenv('PANEL_KEY') ?: __DIR__ . '/panel-key.pem';

// A panel reads this from its own session. Never from a parameter: what is signed here is believed.
$person = [
    'sub' => getenv('PANEL_USER') ?: 'alice',
    'role' => getenv('PANEL_ROLE') ?: 'user',
    'mailboxes' => array_filter(explode(',', getenv('PANEL_MAILBOXES') ?: 'alice@new.test')),
    'domains' => array_filter(explode(',', getenv('PANEL_DOMAINS') ?: '')),
    'name' => 'Alice of the panel',
    'locale' => 'en',
];

$token = mailferry_token($keyFile, $issuer, SSO, $person);
$text = fn (string $value): string => htmlspecialchars($value, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
$framed = isset($_GET['frame']);

header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-store'); // the token works once: the page is made anew each time
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Mailbox migration</title>
<h1>Example panel</h1>
<form method="post" action="<?= $text("$mailferry/sign-in") ?>"<?= $framed ? ' target="migration"' : '' ?>>
  <input type="hidden" name="token" value="<?= $text($token) ?>">
  <input type="hidden" name="to" value="/">
  <button>Mailbox migration</button>
</form>
<?php if ($framed): ?>
<iframe name="migration" title="Mailbox migration" width="100%" height="900"></iframe>
<?php endif; ?>
