# docker build -t sendoff .
# docker run -d --stop-timeout 45 -p 127.0.0.1:2525:2525 -v sendoff:/var/lib/sendoff sendoff

FROM node:24-bookworm-slim AS build
WORKDIR /opt/sendoff
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build \
 && npm prune --ignore-scripts --omit=dev \
# The Node of the checkout; the image has its own.
 && rm -rf node_modules/node-linux-* node_modules/.bin/node

FROM node:24-bookworm-slim
# setpriv, which ties Redis to the daemon, is in the base image.
RUN apt-get update \
 && apt-get install -y --no-install-recommends redis-server tini \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o node -g node -m 0700 /var/lib/sendoff \
 && ln -s /opt/sendoff/bin/sendoff.js /usr/local/bin/sendoff
WORKDIR /opt/sendoff
COPY package.json ./
COPY bin ./bin
COPY docker ./docker
COPY --from=build /opt/sendoff/node_modules ./node_modules
COPY --from=build /opt/sendoff/dist ./dist

ENV NODE_ENV=production \
    SENDOFF_CONFIG=/opt/sendoff/docker/sendoff.yaml
USER node
VOLUME /var/lib/sendoff
EXPOSE 2525
# A start with a full spool accepts mail within seconds; the daemon answers as soon as it does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:2580/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# tini passes SIGTERM on and buries what Redis leaves behind.
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["node", "docker/start.ts"]
