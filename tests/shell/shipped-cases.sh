#!/usr/bin/env bash
# Records the cases of the shipped scripts anew, from real servers on loopback: shipped-cases.sh PROGRAM [SCRIPT].
# As root: daytime, discard and WHOIS have low ports.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$(realpath "$1")
only=${2:-}
PATH="$PATH:/usr/sbin:/sbin"
web=127.77.0.1 twin=127.77.0.2 shell=127.77.0.3 small=127.77.0.4 nobody=127.77.0.5 made=127.77.0.6 oldtls=127.77.0.7
dir=$(mktemp -d)
ids=()

finish() {
    local id
    for id in ${ids[@]+"${ids[@]}"}; do
        kill "$id" 2> /dev/null || true
        wait "$id" 2> /dev/null || true
    done
    rm -rf "$dir"
}
trap finish EXIT

# Until something listens there; no longer than 30 seconds.
wait_for() {
    local end=$((SECONDS + 30))
    until (exec 3<> "/dev/tcp/$1/$2") 2> /dev/null; do
        [ $SECONDS -lt $end ] || { echo "nothing listens on $1:$2" >&2; exit 1; }
    done
}

page() { mkdir -p "$dir/www/$(dirname "$1")"; echo "<html><head><title>$2</title></head><body>$3</body></html>" > "$dir/www/$1"; }
page index.html "The corner shop" '<a href="/docs/">docs</a> <a href="/docs/a.html">a</a> <img src="/logo.png">'
page docs/index.html "Docs" '<a href="b.html">b</a>'
page docs/a.html "A" ''
page docs/b.html "B" ''
printf 'User-agent: *\nDisallow: /admin/\nDisallow: /drafts/\n' > "$dir/www/robots.txt"
printf 'not a picture, but its digest is one' > "$dir/www/favicon.ico"
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/O=Corner shop/CN=shop.example" \
    -addext "subjectAltName=DNS:shop.example,DNS:www.shop.example" -keyout "$dir/tls.key" -out "$dir/tls.crt" 2> /dev/null
cat > "$dir/nginx.conf" << CONF
daemon off; master_process off; pid $dir/nginx.pid;
events { worker_connections 256; }
http {
    access_log off; types { text/html html; } default_type text/plain;
    client_body_temp_path $dir/a; proxy_temp_path $dir/b; fastcgi_temp_path $dir/c; uwsgi_temp_path $dir/d; scgi_temp_path $dir/e;
    server { listen $web:8080; root $dir/www; location = /moved { return 301 /docs/a.html; } }
    server { listen $web:8081; location / { return 404; } }
    server { listen $web:8443 ssl; listen $twin:8443 ssl; root $dir/www; ssl_certificate $dir/tls.crt; ssl_certificate_key $dir/tls.key; }
}
CONF
nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/nginx.log" &
ids+=($!)

for kind in ed25519 ecdsa; do ssh-keygen -q -t $kind -N '' -C '' -f "$dir/host_$kind"; done
mkdir -p /run/sshd
printf 'ListenAddress %s:2222\nHostKey %s\nHostKey %s\nPidFile none\nUsePAM no\nBanner %s\n' \
    "$shell" "$dir/host_ed25519" "$dir/host_ecdsa" "$dir/banner" > "$dir/sshd_config"
echo "Authorised users only" > "$dir/banner"
/usr/sbin/sshd -D -f "$dir/sshd_config" -E "$dir/sshd.log" &
ids+=($!)

printf '%s:daytime stream tcp nowait root internal\n%s:discard stream tcp nowait root internal\n' $small $small > "$dir/inetd.conf"
inetutils-inetd -d "-p$dir/inetd.pid" "$dir/inetd.conf" > /dev/null 2>&1 &
ids+=($!)

(cd "$dir" && exec openssl s_server -accept $oldtls:8443 -cert tls.crt -key tls.key -tls1_2 -www -quiet > /dev/null 2>&1) &
ids+=($!)
python3 tests/shell/case-servers.py $made &
ids+=($!)
for place in "$web 8080" "$web 8443" "$shell 2222" "$small 13" "$small 9" "$oldtls 8443" "$made 43"; do
    # shellcheck disable=SC2086
    wait_for $place
done

version() { dpkg-query -W -f '${Version}' "$1"; }
nginx=$(version nginx-light) sshd=$(version openssh-server) inetd=$(version inetutils-inetd) openssl=$(version openssl)

# SCRIPT CASE TARGET PORT SERVER VERSION SHOWS [ARGS]
record() {
    [ -z "$only" ] || [ "$only" = "$1" ] || return 0
    # Without its arguments a case is recorded again by this file alone.
    SCRIPT=$1 CASE=$2 TARGET=$3 PORT=$4 SERVER=$5 VERSION=$6 SHOWS=$7 ARGS=${8:-} QUIET=1 \
        MADE="tests/shell/shipped-cases.sh, on $(date -u +%F)" tests/shell/record-case.sh "$program"
    echo "$1/$2: $(stat -c %s "testdata/scripts/$1/$2/wire.pcapng") bytes"
}
# The same script upon a port nobody listens on.
refused() { record "$1" refused $nobody "$2" "nobody" "none" "a closed port" "-v"; }
# And upon one that takes connections and says nothing.
silent() { record "$1" silent $small 9 "inetutils-inetd, discard" "$inetd" "a server that never answers" "-v --script-operation-timeout 2s"; }

for script in http-title http-headers http-methods http-favicon http-robots.txt http-sitemap-generator http-chrono; do
    arguments=""
    [ $script != http-methods ] || arguments="--script-args http-methods.test-all=true"
    record $script found $web 8080 nginx "$nginx" "a small site" "$arguments"
    record $script nothing $web 8081 nginx "$nginx" "a site where every page is missing" "$arguments"
    silent $script
done
record http-title redirected $web 8080 nginx "$nginx" "the title behind a redirect" "--script-args http-title.url=/moved"
record http-title tls $web 8443 "nginx, TLS 1.3" "$nginx" "the same over TLS"
for script in ssl-cert ssl-date; do
    record $script found $web 8443 "nginx, TLS 1.3" "$nginx" "a server with a certificate signed by itself"
    silent $script
done
record ssl-cert tls12 $oldtls 8443 "openssl s_server, TLS 1.2" "$openssl" "the certificate of a server of TLS 1.2 alone"
record ssl-cert plain $web 8080 nginx "$nginx" "a server that answers in plain HTTP"
for script in ssh-hostkey ssh2-enum-algos ssh-auth-methods; do
    record $script found $shell 2222 sshd "$sshd" "two host keys and a warning before the login"
    silent $script
    record $script other $web 8080 nginx "$nginx" "a server that speaks HTTP"
done
record banner found $shell 2222 sshd "$sshd" "a server that speaks first"
record banner silent $web 8080 nginx "$nginx" "a server that waits to be asked" "--script-args banner.timeout=2s"
FORCE='' record daytime found $small 13 "inetutils-inetd, daytime" "$inetd" "the time of day"
silent daytime
refused daytime 9
FORCE='' record duplicates found "$web $twin" 8443 nginx "$nginx" "one server behind two addresses"
FORCE='' refused duplicates 8443
FORCE='' record address-info found $nobody 1 nobody none "addresses that hold others" \
    "--script-args address-info.addresses={2001:0:4136:e378:8000:63bf:3fff:fdd2,fe80::211:22ff:fe33:4455,10.9.8.7}"
FORCE='' record address-info nothing $nobody 1 nobody none "an ordinary address gives nothing of its own" \
    "--script-args address-info.addresses={2600::1}"
FORCE='' record resolver-check found $nobody 1 "tests/shell/case-servers.py, DNS" none "a name that is known, one that is not" \
    "--dns-servers $made:5353 --script-args resolver-check.names={a.example,none.example}"
FORCE='' record resolver-check refused $nobody 1 nobody none "nobody answers at the name server's port" \
    "--dns-servers $nobody:5353 --script-args resolver-check.names={a.example}"
FORCE='' record whois-domain found $nobody 1 "tests/shell/case-servers.py, WHOIS" none "a record found at the parent of a name" \
    "--script-args whois-domain.server=$made,domain=www.sonde.test"
FORCE='' record whois-domain refused $nobody 1 nobody none "nobody listens at the server's port" \
    "--script-args whois-domain.server=$nobody,domain=sonde.test"
