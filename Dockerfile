# A static binary in an empty image that runs as an unprivileged user.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/modelproviders ./cmd/modelproviders \
 && mkdir -p /out/data /out/keys

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/modelproviders /modelproviders
# A new volume that is mounted here gets this owner and mode.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /data
COPY --from=build --chown=65532:65532 --chmod=0700 /out/keys /keys
USER 65532:65532
ENV MODELPROVIDERS_ADDR=0.0.0.0:8080 \
    MODELPROVIDERS_DATA_DIR=/data \
    MODELPROVIDERS_KEYSET=/keys/keyset.json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=15s --start-period=60s CMD ["/modelproviders", "healthcheck"]
VOLUME ["/data", "/keys"]
ENTRYPOINT ["/modelproviders"]
