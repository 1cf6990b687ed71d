#include <curl/curl.h>
#include <stdio.h>

#include "origin/local.h"


static size_t
on_body(char *buf, size_t size, size_t n, void *data)
{
    writer_put(data, view_of(buf, size * n));
    return size * n;
}


tier_rc_t
origin_local_request(const char *socket_path, const char *method,
                     const char *target, long timeout_s, writer_t *body,
                     unsigned *ret_status)
{
    CURL *curl = curl_easy_init();
    char url[4096];
    long status = 0;
    CURLcode err;

    if (curl == NULL) {
        return TIER_ENOMEM;
    }

    snprintf(url, sizeof(url), "http://localhost%s", target);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    err = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);

    if (err == CURLE_COULDNT_CONNECT) {
        return TIER_NOT_FOUND;
    }

    *ret_status = (unsigned) status;
    return err == CURLE_OK ? TIER_OK : TIER_EORIGIN;
}
