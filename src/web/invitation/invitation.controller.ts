import { Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { type ConnectionTestsApi, JobError } from '../../jobs/contract.js';
import type { Invitation, InvitationsApi } from '../../jobs/invitations.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { Access } from '../auth/access.decorator.js';
import { assertBody } from '../body.middleware.js';
import { bodyOf } from '../domain/batch-access.js';
import type { Request, Response } from '../http.js';
import { Renderer } from '../render/renderer.js';
import { CONNECTION_TESTS_API, INVITATIONS_API } from '../tokens.js';
import { WebController } from '../web-controller.js';
import { statusOf } from '../web-error.js';
import { MAX_PASSWORD } from '../wizard/checks.js';
import { secretField } from '../wizard/wizard-form.js';

interface Shown {
  readonly error: string | null;
  readonly destinationError: string | null;
  readonly alert: { readonly code: string | null; readonly message: string; readonly hint: string | null } | null;
}
const NOTHING: Shown = { error: null, destinationError: null, alert: null };

/**
 * The page behind a link: a person gives the password of his own old account and nothing else. Nobody is signed in here;
 * whoever has the link may do just this, once. The password is tried before the link is used up.
 */
@WebController('invitations')
export class InvitationController {
  constructor(
    @Inject(INVITATIONS_API) private readonly invitations: InvitationsApi,
    @Inject(CONNECTION_TESTS_API) private readonly tests: ConnectionTestsApi,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    private readonly renderer: Renderer,
  ) {}

  @Get(':token')
  @Access('invitation')
  async show(@Param('token') token: string, @Req() req: Request, @Res() res: Response): Promise<void> {
    await this.page(req, res, await this.invitations.find(token), token, NOTHING);
  }

  @Post(':token')
  @Access('invitation')
  async give(@Param('token') token: string, @Req() req: Request, @Res() res: Response): Promise<void> {
    assertBody(req);
    const invitation = await this.invitations.find(token);
    if (invitation?.state !== 'open') return this.page(req, res, invitation, token, NOTHING);
    const password = secretField(bodyOf(req), 'password');
    const own = secretField(bodyOf(req), 'destinationPassword');
    const wrong = (text: string, missing: string): string | null =>
      text === ''
        ? this.renderer.t(req, missing)
        : text.length > MAX_PASSWORD
          ? this.renderer.t(req, 'connection.errors.passwordInvalid')
          : null;
    const error = wrong(password, 'connection.errors.passwordMissing');
    const destinationError = this.options.destinationNeedsSecret
      ? wrong(own, 'connection.errors.destinationPasswordMissing')
      : null;
    if (error !== null || destinationError !== null)
      return this.page(req, res, invitation, token, { error, destinationError, alert: null }, 422);
    const secret = { password };
    const destination = own === '' ? undefined : { password: own };
    const who = this.invitations.actor(invitation, req.ip ?? req.socket.remoteAddress);
    try {
      const id = await this.tests.request(who, {
        source: invitation.source,
        secret,
        mailbox: invitation.mailbox,
        items: invitation.items,
        ...(destination !== undefined && { destination }),
      });
      const test = await this.tests.wait(who, id, this.options.limits.testWaitMs);
      if (test?.state !== 'done') throw new JobError('TIMEOUT', this.renderer.t(req, 'invitation.slow'));
      if (!test.ok) {
        const { code, message, action } = test;
        const alert = { code, message, hint: action ?? null };
        return this.page(req, res, invitation, token, { ...NOTHING, alert }, 422);
      }
      await this.invitations.redeem(invitation, who, secret, destination);
    } catch (failure) {
      if (!(failure instanceof JobError)) throw failure;
      const { code, message } = failure;
      if (code === 'LINK_USED') return this.page(req, res, await this.invitations.find(token), token, NOTHING);
      return this.page(
        req,
        res,
        invitation,
        token,
        { ...NOTHING, alert: { code, message, hint: null } },
        statusOf(code),
      );
    }
    await this.page(req, res, { ...invitation, state: 'used' }, token, NOTHING, 200, true);
  }

  private async page(
    req: Request,
    res: Response,
    invitation: Invitation | null,
    token: string,
    shown: Shown,
    status?: number,
    done = false,
  ): Promise<void> {
    const state = done ? 'done' : (invitation?.state ?? 'unknown');
    const open = invitation?.state === 'open' ? invitation : null;
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('Referrer-Policy', 'no-referrer');
    const html = await this.renderer.page(req, res, 'invitation/invitation', {
      title: this.renderer.t(req, `invitation.titles.${state}`),
      text: this.renderer.t(req, `invitation.texts.${state}`),
      state,
      action: `/invitations/${token}`,
      // Who has no link that works learns nothing about whose it was.
      account:
        open === null
          ? null
          : {
              mailbox: open.mailbox,
              host: open.source.host,
              username: open.source.username,
              expiresAt: open.expiresAt,
            },
      needsDestination: this.options.destinationNeedsSecret,
      ...shown,
    });
    res.status(status ?? (state === 'open' || state === 'done' ? 200 : state === 'unknown' ? 404 : 410)).send(html);
  }
}
