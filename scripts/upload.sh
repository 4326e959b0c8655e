#!/usr/bin/env bash
# Uploads a file with curl and coreutils only: TOKEN=… scripts/upload.sh FILE [URL]. Prints the media item.
# After an interruption, run it again with UPLOAD_ID=… to resume.
set -euo pipefail
file=$1
url=${2:-http://localhost:3000}/api/v2/media/upload
chunk_bytes=204800
total=$(stat -c %s "$file" 2>/dev/null || stat -f %z "$file")
id=${UPLOAD_ID:-}
start=0

api() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer $TOKEN" "$@"; }
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

if [ -n "$id" ]; then start=$(api "$url/$id/" | member offset); fi
while [ "$start" -lt "$total" ]; do
  end=$((start + chunk_bytes < total ? start + chunk_bytes : total))
  # head closes the pipe early, so ignore the error of tail.
  answer=$({ tail -c +$((start + 1)) "$file" || true; } 2>/dev/null | head -c $((end - start)) |
    api --header "Content-Range: bytes $start-$((end - 1))/$total" \
      --form "upload_id=$id" --form "image=@-;filename=\"$(basename "$file")\"" "$url/chunk/")
  id=$(member upload_id <<<"$answer")
  start=$(member offset <<<"$answer")
  echo "$start of $total bytes, UPLOAD_ID=$id" >&2
done
api --data "upload_id=$id" --data "md5=$( (md5sum "$file" 2>/dev/null || md5 -r "$file") | cut -d' ' -f1)" "$url/complete/"
echo
